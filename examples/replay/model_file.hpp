// SPDX-License-Identifier: MIT
// A trained `listwise` in a file: trained once, scored with as often as wanted.
#ifndef EBB_EXAMPLES_REPLAY_MODEL_FILE_HPP
#define EBB_EXAMPLES_REPLAY_MODEL_FILE_HPP

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/json/return_network.hpp"
#include "ebb/return_model.hpp"
#include "input.hpp"
#include "models.hpp"
#include "options.hpp"

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
  saved->make = [network = load_network(o.load_model)](std::uint64_t seed) {
    return std::make_unique<ebb::return_model>(network, ebb::listwise_return_options(seed));
  };
  std::cout << saved_model << " is loaded from " << o.load_model << ", not trained\n";
  return models;
}

/// Takes the trained network into the file, whole or not at all. Opens before the work begins, so that a wrong path is known at once.
class model_writer {
 public:
  explicit model_writer(std::string path) : path_(std::move(path)) {
    if (path_.empty()) return;
    out_.open(part(), std::ios::binary);
    if (!out_) fail(std::strerror(errno));
  }
  model_writer(const model_writer&) = delete;
  model_writer& operator=(const model_writer&) = delete;
  ~model_writer() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(part(), ignored);  // gone already where it was renamed
  }

  void write(const ebb::repeat_model& model) {
    if (path_.empty()) return;
    const auto& network = dynamic_cast<const ebb::return_model&>(model).network();
    if (!network) throw usage_error("--save-model: nothing was learned");
    out_ << nlohmann::json(*network).dump(1) << '\n';
    out_.close();
    if (!out_) fail("the disk is full?");
    std::error_code bad;
    std::filesystem::rename(part(), path_, bad);
    if (bad) fail(bad.message());
    std::cout << "wrote " << saved_model << " to " << path_ << '\n';
  }

 private:
  [[nodiscard]] std::string part() const { return path_ + ".part"; }
  [[noreturn]] void fail(const std::string& why) const {
    throw usage_error("--save-model: " + path_ + " cannot be written: " + why);
  }

  std::string path_;
  std::ofstream out_;
};

}  // namespace replay

#endif  // EBB_EXAMPLES_REPLAY_MODEL_FILE_HPP
