// SPDX-License-Identifier: MIT
// The main function for Catch2 version 2; version 3 brings its own as Catch2::Catch2WithMain.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
