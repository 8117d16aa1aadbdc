// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_HPP
#define EBB_JSON_HPP

// ebb's models as nlohmann::json: `nlohmann::json j = model;` and `j.get<ebb::mlp<double>>()`.
//
// Every object says what it is ("format") and how it is written ("version"); every time says its unit. Numbers come back to the last bit.
// What is not exactly as it should be is refused with
// std::invalid_argument naming the field: another format or version, a field that is missing, misspelt or of another type, a number that is
// not finite, shapes that do not fit each other.

#include "ebb/json/adaptive.hpp"
#include "ebb/json/behaviour.hpp"
#include "ebb/json/behaviour_weights.hpp"
#include "ebb/json/decay.hpp"
#include "ebb/json/ema.hpp"
#include "ebb/json/explanation.hpp"
#include "ebb/json/learned_decay.hpp"
#include "ebb/json/network.hpp"
#include "ebb/json/next_interest.hpp"
#include "ebb/json/ranker.hpp"
#include "ebb/json/return_network.hpp"
#include "ebb/json/return_probability.hpp"
#include "ebb/json/select_decay.hpp"

#endif  // EBB_JSON_HPP
