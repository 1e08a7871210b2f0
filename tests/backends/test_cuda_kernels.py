"""The kernels' own source, compiled for the processor at hand and run one thread after the other."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from service.backends.cuda_rows import _SOURCE, RowKernels

_AROUND = """
#include <stddef.h>
#define __global__
struct Dimension { unsigned int x; };
static Dimension blockIdx, threadIdx, blockDim;
%s
typedef void (*Kernel)(unsigned int*, const unsigned int*, const int*, unsigned int);
extern "C" void launch(Kernel kernel, unsigned int blocks, unsigned int threads, unsigned int* to,
                       const unsigned int* from, const int* places, unsigned int words)
{
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
        for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++) kernel(to, from, places, words);
}
"""
# A driver that NVIDIA's bindings take for theirs. It finds the arguments where the real one does.
_DRIVER = """
#include <string.h>
typedef unsigned int Size;
static int load(void** module, const char* image)
{
    *module = (void*)image;
    return image[1] == 'E' ? 0 : 200;
}
static int find(void** function, void*, const char* name)
{
    *function = (void*)(strcmp(name, "gather_rows") ? scatter_rows : gather_rows);
    return 0;
}
static int run(void* kernel, Size blocks, Size, Size, Size threads, Size, Size, Size, void*, void** arguments)
{
    launch((Kernel)kernel, blocks, threads, *(Size**)arguments[0], *(const Size**)arguments[1],
           *(const int**)arguments[2], *(Size*)arguments[3]);
    return 0;
}
static int missing() { return 801; }
extern "C" int cuGetProcAddress_v2(const char* name, void** found, int, unsigned long long, int* status)
{
    *found = (void*)missing;
    if (!strcmp(name, "cuModuleLoadData")) *found = (void*)load;
    if (!strcmp(name, "cuModuleGetFunction")) *found = (void*)find;
    if (!strcmp(name, "cuLaunchKernel")) *found = (void*)run;
    if (status) *status = 0;
    return 0;
}
"""
# Gathers rows 2 and 0 of a table and scatters them to rows 1 and 3 of another, which it prints.
_PROGRAM = """
import numpy as np
from service.backends.cuda_rows import RowKernels, _bindings, compiled
kernels = RowKernels(compiled("sm_90"), _bindings("driver"))
table, other = np.arange(1, 21, dtype=np.float32).reshape(4, 5), np.zeros((4, 5), np.float32)
batch, of, to = np.zeros((2, 5), np.float32), np.array([2, 0], np.int32), np.array([1, 3], np.int32)
kernels.gather(batch.ctypes.data, table.ctypes.data, of.ctypes.data, 2, 20, 7)
kernels.scatter(other.ctypes.data, batch.ctypes.data, to.ctypes.data, 2, 20, 7)
print(other[:, 0].astype(int).tolist())
"""


class Result(Enum):
    CUDA_SUCCESS = 0


class Driver:
    """The driver's three calls, on a processor; an argument is passed as the type says that comes with it."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))

    def cuModuleLoadData(self, code: bytes):  # noqa: N802 - CUDA's names, here and below
        return Result.CUDA_SUCCESS, self._library

    def cuModuleGetFunction(self, module: ctypes.CDLL, name: bytes):  # noqa: N802
        return Result.CUDA_SUCCESS, ctypes.cast(module[name.decode()], ctypes.c_void_p)

    def cuLaunchKernel(self, kernel, *launch):  # noqa: N802
        *grid, shared_bytes, _, (values, types), extra = launch
        (blocks, *more_blocks), (threads, *more_threads) = grid[:3], grid[3:]
        assert (more_blocks, more_threads, shared_bytes, extra) == ([1, 1], [1, 1], 0, 0)
        assert threads <= 1024
        arguments = [kind(value) for value, kind in zip(values, types, strict=True)]
        self._library.launch(kernel, ctypes.c_uint(blocks), ctypes.c_uint(threads), *arguments)
        return (Result.CUDA_SUCCESS,)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C++ compiler")
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "rows.cpp").write_text(_AROUND % _SOURCE.decode() + _DRIVER)
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", "libcuda.so.1", "rows.cpp"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "libcuda.so.1"


@pytest.fixture
def kernels(library) -> RowKernels:
    return RowKernels(b"", Driver(library))


def moved(move: Callable[..., None], to: np.ndarray, of: np.ndarray, places: list[int], words: int) -> None:
    where = np.array(places, np.int32)
    move(to.ctypes.data, of.ctypes.data, where.ctypes.data, len(places), 4 * words, 0)


@pytest.mark.parametrize("words", [1, 3, 32, 255, 256, 257, 1000])
def test_rows_come_from_their_places_and_go_to_them_and_no_other_is_touched(kernels, words):
    table = np.random.default_rng(words).normal(size=(9, words)).astype(np.float32)
    batch = np.full((4, words), np.nan, np.float32)
    moved(kernels.gather, batch, table, [7, 0, -1, 8], words)
    np.testing.assert_array_equal(batch, [table[7], table[0], [np.nan] * words, table[8]])
    target = np.zeros_like(table)
    moved(kernels.scatter, target, batch, [2, -1, -1, 5], words)
    due = np.zeros_like(table)
    due[2], due[5] = table[7], table[8]
    np.testing.assert_array_equal(target, due)


def test_a_place_may_be_further_away_than_four_thousand_million_words(kernels, tmp_path):
    words, place = 1024, 5_000_000
    # A file with a hole in it: what nobody touches takes no room.
    table = np.memmap(tmp_path / "table", np.float32, "w+", shape=(place + 1, words))
    batch = np.arange(2 * words, dtype=np.float32).reshape(2, words)
    moved(kernels.scatter, table, batch, [1, place], words)
    found = np.zeros_like(batch)
    moved(kernels.gather, found, table, [place, 1], words)
    np.testing.assert_array_equal(table[place], batch[1])
    np.testing.assert_array_equal(found, batch[::-1])


def test_nvidia_s_bindings_hand_the_driver_each_argument_where_the_kernels_look_for_it(library):
    pytest.importorskip("cuda.bindings.nvrtc")
    env = {**os.environ, "LD_LIBRARY_PATH": str(library.parent)}
    answer = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=env, check=True, capture_output=True, text=True, timeout=60
    )
    assert answer.stdout == "[0, 11, 0, 1]\n"
