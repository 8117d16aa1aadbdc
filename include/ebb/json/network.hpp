// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_NETWORK_HPP
#define EBB_JSON_NETWORK_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <nlohmann/json.hpp>

#include "ebb/activation.hpp"
#include "ebb/detail/json_fields.hpp"
#include "ebb/gap_model.hpp"
#include "ebb/mlp.hpp"
#include "ebb/scaler.hpp"

// A network is its shape and its parameters, a scaler what it has seen. The number type is not part of the format: a model comes back bit
// for bit in the type it was written from, and rounded in a narrower one.

namespace ebb::detail {

inline constexpr std::array<std::pair<activation, const char*>, 5> activation_names{{{activation::identity, "identity"},
                                                                                     {activation::relu, "relu"},
                                                                                     {activation::tanh, "tanh"},
                                                                                     {activation::sigmoid, "sigmoid"},
                                                                                     {activation::gelu, "gelu"}}};
inline constexpr std::array<std::pair<gap_input, const char*>, 2> gap_input_names{
    {{gap_input::raw, "raw"}, {gap_input::logarithmic, "logarithmic"}}};

/// How many parameters the layers take, as a double: sizes from a file may be of any size, and nothing is allocated for them yet.
[[nodiscard]] inline double parameters_of(Eigen::Index inputs, const mlp_options& options) {
  double count = 0;
  auto fan_in = static_cast<double>(inputs);
  for (const Eigen::Index units : options.hidden) {
    count += static_cast<double>(units) * (fan_in + 1);
    fan_in = static_cast<double>(units);
  }
  return count + static_cast<double>(options.outputs) * (fan_in + 1);
}

[[nodiscard]] inline Eigen::VectorXd vector_of(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

[[nodiscard]] inline Eigen::VectorXf floats_of(const std::vector<double>& values, const char* key) {
  Eigen::VectorXf out(static_cast<Eigen::Index>(values.size()));
  for (Eigen::Index i = 0; i < out.size(); ++i) out[i] = narrowed<float>(values[static_cast<std::size_t>(i)], key);
  return out;
}

}  // namespace ebb::detail

namespace nlohmann {

template <std::floating_point T>
struct adl_serializer<ebb::mlp<T>> {
  static void to_json(json& target, const ebb::mlp<T>& network) {
    const ebb::mlp_options& options = network.options();
    json out = ebb::detail::json_object("ebb.mlp", 1);
    out["inputs"] = network.inputs();
    out["hidden"] = options.hidden;
    out["outputs"] = options.outputs;
    out["hidden_activation"] = ebb::detail::json_name(options.hidden_activation, ebb::detail::activation_names);
    out["output_activation"] = ebb::detail::json_name(options.output_activation, ebb::detail::activation_names);
    out["dropout"] = options.dropout;
    out["zero_output"] = options.zero_output;
    out["seed"] = options.seed;
    out["parameters"] = ebb::detail::json_numbers(network.parameters(), "parameters");
    target = std::move(out);
  }

  static ebb::mlp<T> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.mlp", 1);
    const auto inputs = fields.integer<Eigen::Index>("inputs");
    const ebb::mlp_options options{
        .hidden = fields.integers<Eigen::Index>("hidden"),
        .outputs = fields.integer<Eigen::Index>("outputs"),
        .hidden_activation = fields.choice("hidden_activation", ebb::detail::activation_names),
        .output_activation = fields.choice("output_activation", ebb::detail::activation_names),
        .dropout = fields.number("dropout"),
        .zero_output = fields.boolean("zero_output"),
        .seed = fields.integer<std::uint64_t>("seed")};
    const std::vector<double> parameters = fields.numbers("parameters");
    fields.finish();
    // Before the network is made: a size that is wrong must not become a huge allocation.
    bool positive = inputs > 0 && options.outputs > 0;
    for (const Eigen::Index units : options.hidden) positive = positive && units > 0;
    ebb::detail::require(positive, "from_json", "\"inputs\", \"hidden\" and \"outputs\" of ebb.mlp must be > 0",
                         in.at("hidden").dump());
    const double wanted = ebb::detail::parameters_of(inputs, options);
    if (wanted != static_cast<double>(parameters.size()))
      ebb::detail::require(false, "from_json",
                           "\"parameters\" of ebb.mlp must have as many entries as its layers take, " +
                               std::to_string(static_cast<std::int64_t>(std::min(wanted, 9e18))),
                           parameters.size());
    ebb::mlp<T> network(inputs, options);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      network.parameters()[static_cast<Eigen::Index>(i)] = ebb::detail::narrowed<T>(parameters[i], "parameters");
    return network;
  }
};

template <std::floating_point T>
struct adl_serializer<ebb::standard_scaler<T>> {
  static void to_json(json& target, const ebb::standard_scaler<T>& scaler) {
    json out = ebb::detail::json_object("ebb.standard_scaler", 1);
    out["count"] = ebb::detail::json_numbers(scaler.state().count, "count");
    out["mean"] = ebb::detail::json_numbers(scaler.state().mean, "mean");
    out["squares"] = ebb::detail::json_numbers(scaler.state().squares, "squares");
    out["fill"] = nullptr;  // the mean
    out["clip"] = nullptr;  // none
    if (scaler.options().fill) out["fill"] = *scaler.options().fill;
    if (std::isfinite(scaler.options().clip)) out["clip"] = scaler.options().clip;
    target = std::move(out);
  }

  static ebb::standard_scaler<T> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.standard_scaler", 1);
    ebb::scaler_state state{ebb::detail::vector_of(fields.numbers("count")),
                            ebb::detail::vector_of(fields.numbers("mean")),
                            ebb::detail::vector_of(fields.numbers("squares"))};
    ebb::scaler_options options;
    if (!fields.is_null("fill")) options.fill = fields.number("fill");
    if (!fields.is_null("clip")) options.clip = fields.number("clip");
    fields.finish();
    return ebb::standard_scaler<T>(std::move(state), options);
  }
};

template <>
struct adl_serializer<ebb::gap_model> {
  static void to_json(json& target, const ebb::gap_model& model) {
    json out = ebb::detail::json_object("ebb.gap_model", 1);
    out["input"] = ebb::detail::json_name(model.input(), ebb::detail::gap_input_names);
    out["unit_seconds"] = model.unit().count();
    out["scaler"] = model.scaler();
    out["network"] = model.network();
    target = std::move(out);
  }
  static ebb::gap_model from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.gap_model", 1);
    ebb::gap_model model(fields.at("network").get<ebb::mlp<double>>(),
                         fields.at("scaler").get<ebb::standard_scaler<double>>(),
                         fields.choice("input", ebb::detail::gap_input_names), fields.seconds("unit_seconds"));
    fields.finish();
    return model;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_NETWORK_HPP
