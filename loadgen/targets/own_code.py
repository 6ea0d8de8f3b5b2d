"""The user's own Python class: found, imported, and its mistakes told in one line."""

import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType

from loadgen.errors import RecipeError

FIELD = "service.client"


def load_class(client: str) -> type:
    """client: [FOLDER/]MODULE:CLASS. Raises RecipeError."""
    module_name, _, class_name = client.rpartition(":")
    folder, _, name = module_name.rpartition("/")
    module = _imported(Path(folder), name.removesuffix(".py"), client)
    found: object = module
    for part in class_name.split("."):
        found = getattr(found, part, None)
    if not inspect.isclass(found):
        raise RecipeError(f"{FIELD}: {_no_class(module, module_name, class_name, found)}")
    return found


def _no_class(module: ModuleType, module_name: str, class_name: str, found: object) -> str:
    if found is not None:
        return f"{module_name}:{class_name} is no class"
    own = (value for value in vars(module).values() if inspect.isclass(value))
    classes = [value.__name__ for value in own if value.__module__ == module.__name__]
    near = difflib.get_close_matches(class_name, classes, n=1)
    hint = f", did you mean {near[0]}?" if near else f"; it has {', '.join(classes) or 'none'}"
    return f"{module_name} has no class {class_name}{hint}"


def _imported(folder: Path, name: str, client: str) -> ModuleType:
    """From the folder where it lies there, else as an installed module."""
    try:
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        if "." not in name and path.is_file():
            return _from_file(path.resolve())
        if (folder / name.partition(".")[0]).is_dir():
            _look_in(folder)
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise RecipeError(f"{FIELD}: there is no module {name}, neither beside the recipe nor installed") from None
        raise RecipeError(f"{FIELD}: {where_and_what(error, client)}") from None
    except Exception as error:  # the user's own code may raise anything
        raise RecipeError(f"{FIELD}: {where_and_what(error, client)}") from None


def _look_in(folder: Path) -> None:
    if str(folder.resolve()) not in sys.path:
        sys.path.insert(0, str(folder.resolve()))


def _from_file(path: Path) -> ModuleType:
    """A module of its own name, so that it hides no other; what lies beside it can be imported from it."""
    name = f"loadgen_client_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    _look_in(path.parent)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def where_and_what(error: BaseException, client: str) -> str:
    """`my_client.py:12: ZeroDivisionError: division by zero`: the last place that is the user's own."""
    said = " ".join(str(error).split())
    what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}: {type(error).__name__}: {error.msg}"
    stem = client.rpartition(":")[0].rpartition("/")[2].removesuffix(".py").rpartition(".")[2]
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).stem == stem]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}: {what}" if own else f"{client}: {what}"
