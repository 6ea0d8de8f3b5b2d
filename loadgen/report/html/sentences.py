"""A verdict as a headline: its first sentence, or where that is long what it says before the first colon."""

LONGEST = 150
"""Characters of a headline."""

SHORTEST = 15


def headline_and_rest(text: str) -> tuple[str, str]:
    """The rest is empty where the headline says all; where a sentence is cut, it is said again as a whole."""
    text = text.strip()
    first, end, rest = text.partition(". ")
    first = first[:1].upper() + first[1:] + end.strip()
    if len(first) <= LONGEST:
        return first, rest
    short = _before(first)
    return (short, text[:1].upper() + text[1:]) if short else (first, rest)


def _before(sentence: str) -> str:
    """Up to the first colon or semicolon that leaves enough; empty where there is none."""
    for mark in (": ", "; "):
        head = sentence.partition(mark)[0]
        if SHORTEST <= len(head) <= LONGEST:
            return f"{head}."
    return ""
