// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_HPP
#define EBB_JSON_HPP

// ebb's models as nlohmann::json: `nlohmann::json j = model;` and `j.get<ebb::mlp<double>>()`.
//
// Every object says what it is ("format") and how it is written ("version"); every time says its unit. Numbers come back to the last bit,
// but for a reading's weights, which come back to within a rounding. What is not exactly as it should be is refused with
// std::invalid_argument naming the field: another format or version, a field that is missing, misspelt or of another type, a number that is
// not finite, shapes that do not fit each other.

#include "ebb/json/decay.hpp"
#include "ebb/json/ema.hpp"
#include "ebb/json/network.hpp"
#include "ebb/json/ranker.hpp"

#endif  // EBB_JSON_HPP
