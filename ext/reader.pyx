"""Lines of requests.jsonl to records, many at a time. loadgen/bundle/jsonl.py does without it where there is no compiler."""
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from core.json_lines cimport Names, Text
from core.line_reading cimport read_line
from core.record cimport Record


cdef class Reader:
    """The reader of one run's lines: it knows its operations."""

    cdef Names names
    cdef list texts
    cdef int n_operations
    cdef int64_t* gaps_ns
    cdef int64_t n_room
    cdef int64_t n_gaps

    def __cinit__(self, operations, codes):
        """operations: at most 256. codes: {"outcomes": [...], "phases": ...}. All of them JSON texts, by their number."""
        self.texts = []
        self.n_operations = len(operations)
        self._name(self.names.outcomes, codes["outcomes"])
        self._name(self.names.phases, codes["phases"])
        self._name(self.names.stamps, codes["stamps"])
        self._name(self.names.finish_reasons, codes["finish_reasons"])
        self._name(self.names.token_sources, codes["token_sources"])
        self._name(self.names.operations, operations)

    cdef int _name(self, Text* places, texts) except -1:
        cdef bytes text
        cdef int i
        for i, text in enumerate(texts):
            self.texts.append(text)  # keeps the bytes alive
            places[i] = text
        return 0

    def __dealloc__(self):
        free(self.gaps_ns)

    cdef int _make_room(self, int64_t n_more) except -1:
        cdef int64_t n_room = self.n_gaps + n_more
        cdef void* moved
        if n_room > self.n_room:
            moved = realloc(self.gaps_ns, 2 * n_room * sizeof(int64_t))
            if moved == NULL:
                raise MemoryError
            self.gaps_ns, self.n_room = <int64_t*>moved, 2 * n_room
        return 0

    def read(self, list lines not None, uint8_t[::1] records not None) -> tuple[int, bytes]:
        """Read lines, as bytes, into records: as many bytes of zeros as these have.

        Returns how many were read before the first that must be read another way, and the bytes of their gaps.
        """
        cdef int64_t n_lines = len(lines), i = 0, n_bytes
        cdef Record* record
        cdef bytes line
        self.n_gaps = 0
        while i < n_lines and (i + 1) * <int64_t>sizeof(Record) <= records.shape[0]:
            line = lines[i]
            n_bytes = PyBytes_GET_SIZE(line)
            self._make_room(n_bytes // 2 + 1)
            record = <Record*>&records[i * <int64_t>sizeof(Record)]
            if not read_line(
                <const uint8_t*>PyBytes_AS_STRING(line), n_bytes, record, self.gaps_ns + self.n_gaps, &self.names,
                self.n_operations,
            ):
                memset(record, 0, sizeof(Record))
                break
            self.n_gaps += record.n_gaps
            i += 1
        return i, PyBytes_FromStringAndSize(<char*>self.gaps_ns, self.n_gaps * <int64_t>sizeof(int64_t))
