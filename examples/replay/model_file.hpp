// SPDX-License-Identifier: MIT
// A trained `listwise` in a file: trained once, scored with as often as wanted.
#ifndef EBB_EXAMPLES_REPLAY_MODEL_FILE_HPP
#define EBB_EXAMPLES_REPLAY_MODEL_FILE_HPP

#include <algorithm>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/json/return_network.hpp"
#include "ebb/return_model.hpp"
#include "input.hpp"
#include "models.hpp"
#include "options.hpp"
#include "whole_file.hpp"

namespace replay {

/// Errors: usage_error naming the file and what does not fit.
inline ebb::return_network load_network(const std::string& path) {
  try {
    return read_file(path, [](std::istream& in) { return nlohmann::json::parse(in).get<ebb::return_network>(); });
  } catch (const nlohmann::json::exception& bad) {
    throw usage_error("--load-model: " + path + " is not JSON: " + bad.what());
  } catch (const std::invalid_argument& bad) {
    throw usage_error("--load-model: " + path + " is not a model of this program: " + bad.what());
  }
}

/// The models for the repeat task; with --load-model the saved one is the one in the file, which fitting leaves as it is.
inline std::vector<entry<ebb::repeat_model>> repeat_models(const options& o) {
  std::vector<entry<ebb::repeat_model>> models = repeat_models();
  if (o.load_model.empty()) return models;
  const auto saved = std::find_if(models.begin(), models.end(), [](const auto& m) { return m.name == saved_model; });
  saved->make = [network = load_network(o.load_model)](const making& with) {
    return std::make_unique<ebb::return_model>(network, ebb::listwise_return_options(with.seed));
  };
  std::cout << saved_model << " is loaded from " << o.load_model << ", not trained\n";
  return models;
}

/// Writes the trained network to the file of --save-model.
inline void save_network(const ebb::repeat_model& model, whole_file& to) {
  if (!to) return;
  const auto& network = dynamic_cast<const ebb::return_model&>(model).network();
  if (!network) throw usage_error("--save-model: nothing was learned");
  to.write(nlohmann::json(*network).dump(1));
  std::cout << "wrote " << saved_model << " to " << to.path() << '\n';
}

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_MODEL_FILE_HPP
