// SPDX-License-Identifier: MIT
// Nothing: CMake precompiles the headers of all tests for a target, and a target needs a source.
