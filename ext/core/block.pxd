"""Blocks of finished records on their way to the writer, and empty ones on their way back.

At the start some blocks go round. The writer adds more when it falls behind; when all are full the loop counts what it cannot keep
and goes on: the disk may wait, the load may not.
"""
from libc.stdint cimport int32_t, int64_t
from core.record cimport Record
from core.ring cimport Ring, ring_length, ring_put, ring_take

cdef enum:
    BLOCK_RECORDS = 4096
    BLOCK_GAPS = 131072
    MAX_BLOCKS = 32
    FIRST_BLOCKS = 8
    NO_BLOCK = -1

cdef struct Block:
    int64_t n_records
    int64_t n_gaps
    int64_t opened_at_ns     # when its first record came
    Record[4096] records
    int64_t[131072] gaps_ns

cdef struct Blocks:
    Block* blocks            # MAX_BLOCKS of them, reserved: memory is used from a block's first use on
    Ring full                # loop -> writer
    Ring empty               # writer -> loop
    int64_t n_given          # blocks in circulation
    int64_t current          # the one being filled, NO_BLOCK: none was empty
    int64_t n_lost           # records that found no block

cdef inline void blocks_begin(Blocks* blocks, Block* region) noexcept nogil:
    blocks.blocks = region
    blocks.current = NO_BLOCK
    blocks.n_given = 0
    while blocks.n_given < FIRST_BLOCKS:
        ring_put(&blocks.empty, blocks.n_given)
        blocks.n_given += 1

cdef inline void blocks_hand_over(Blocks* blocks) noexcept nogil:
    """Give what is there to the writer."""
    if blocks.current != NO_BLOCK and blocks.blocks[blocks.current].n_records > 0:
        ring_put(&blocks.full, blocks.current)
        blocks.current = NO_BLOCK

cdef inline Block* blocks_room(Blocks* blocks, int64_t n_gaps, int64_t now_ns) noexcept nogil:
    """A block with room for one more record and so many gaps (BLOCK_GAPS at most), or NULL: then it is counted as lost."""
    cdef Block* block
    if blocks.current != NO_BLOCK:
        block = &blocks.blocks[blocks.current]
        if block.n_records < BLOCK_RECORDS and block.n_gaps + n_gaps <= BLOCK_GAPS:
            return block
        blocks_hand_over(blocks)
    blocks.current = ring_take(&blocks.empty)
    if blocks.current == NO_BLOCK:
        blocks.n_lost += 1
        return NULL
    block = &blocks.blocks[blocks.current]
    block.n_records = 0
    block.n_gaps = 0
    block.opened_at_ns = now_ns
    return block

cdef inline void blocks_give_back(Blocks* blocks, int64_t block) noexcept nogil:
    """The writer is done with a block. If more are waiting, another is put into circulation."""
    ring_put(&blocks.empty, block)
    if ring_length(&blocks.full) > 1 and blocks.n_given < MAX_BLOCKS:
        ring_put(&blocks.empty, blocks.n_given)
        blocks.n_given += 1
