// SPDX-License-Identifier: MIT
// Catch2 version 2 or 3, whichever is installed; the tests use what both have, and `contains` for a message's text.
#ifndef EBB_TESTS_CATCH_HPP
#define EBB_TESTS_CATCH_HPP

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
inline auto contains(const std::string& text) { return Catch::Matchers::ContainsSubstring(text); }
#else
#include <catch2/catch.hpp>
inline auto contains(const std::string& text) { return Catch::Matchers::Contains(text); }
#endif

#endif  // EBB_TESTS_CATCH_HPP
