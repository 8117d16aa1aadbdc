// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_DECAY_HPP
#define EBB_JSON_DECAY_HPP

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "ebb/decay.hpp"
#include "ebb/decay_mixture.hpp"
#include "ebb/detail/json_fields.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

// A decay is its family's name, its half-life and its shape, in double:
//   {"format": "ebb.power_law_decay", "version": 1, "half_life_seconds": 86400.0, "exponent": 0.5}

namespace ebb::detail {

/// A double in seconds that a bank rounds to this very half-life: the nearest one may be off by a tick where ticks are finer than doubles.
[[nodiscard]] inline double exact_seconds(duration half_life, lane_grid::ticks ticks) {
  const auto is_exact = [ticks](double s) { return to_time_point(duration(s)).time_since_epoch().count() == ticks; };
  double up = half_life.count();
  double down = up;
  while (!is_exact(up) && !is_exact(down)) {
    up = std::nextafter(up, std::numeric_limits<double>::infinity());
    down = std::nextafter(down, 0.0);
  }
  return is_exact(up) ? up : down;
}

/// The "format" of anything written by ebb.
[[nodiscard]] inline std::string json_format(const nlohmann::json& in) {
  const auto found = in.find("format");
  if (found == in.end() || !found->is_string()) require(false, "from_json", "\"format\" must be a string", "none");
  return found->get<std::string>();
}

/// Families that are their half-life alone.
template <class Decay>
struct plain_decay_json {
  static void to_json(nlohmann::json& out, const Decay& decay) {
    out = json_object("ebb." + std::string(Decay::name), 1);
    out["half_life_seconds"] = decay.half_life().count();
  }
  static Decay from_json(const nlohmann::json& in) {
    const std::string format = "ebb." + std::string(Decay::name);
    json_fields fields(in, format, 1);
    const Decay decay(fields.seconds("half_life_seconds"));
    fields.finish();
    return decay;
  }
};

template <class Inner, class ReadInner>
[[nodiscard]] delayed_decay<Inner> read_delayed_decay(const nlohmann::json& in, ReadInner read) {
  json_fields fields(in, "ebb.delayed_decay", 1);
  const duration offset = fields.seconds("offset_seconds");
  delayed_decay<Inner> decay(offset, read(fields.at("inner")));
  fields.finish();
  return decay;
}

template <class Part, class ReadPart>
[[nodiscard]] mixture_decay<Part> read_mixture_decay(const nlohmann::json& in, ReadPart read) {
  json_fields fields(in, "ebb.mixture_decay", 1);
  std::vector<Part> parts;
  for (const nlohmann::json& part : fields.array("parts")) parts.push_back(read(part));
  std::vector<double> weights = fields.numbers("weights");
  mixture_decay<Part> decay(std::move(parts), std::move(weights), fields.number("speed"));
  fields.finish();
  return decay;
}

}  // namespace ebb::detail

namespace nlohmann {

template <>
struct adl_serializer<ebb::exponential_decay<double>> : ebb::detail::plain_decay_json<ebb::exponential_decay<double>> {
};
template <>
struct adl_serializer<ebb::linear_decay<double>> : ebb::detail::plain_decay_json<ebb::linear_decay<double>> {};
template <>
struct adl_serializer<ebb::window_decay<double>> : ebb::detail::plain_decay_json<ebb::window_decay<double>> {};

template <>
struct adl_serializer<ebb::power_law_decay<double>> {
  static void to_json(json& out, const ebb::power_law_decay<double>& decay) {
    out = ebb::detail::json_object("ebb.power_law_decay", 1);
    out["half_life_seconds"] = decay.half_life().count();
    out["exponent"] = decay.shape_exponent();
  }
  static ebb::power_law_decay<double> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.power_law_decay", 1);
    const ebb::power_law_decay<double> decay(fields.seconds("half_life_seconds"),
                                             {.exponent = fields.number("exponent")});
    fields.finish();
    return decay;
  }
};

template <>
struct adl_serializer<ebb::stretched_exponential_decay<double>> {
  static void to_json(json& out, const ebb::stretched_exponential_decay<double>& decay) {
    out = ebb::detail::json_object("ebb.stretched_exponential_decay", 1);
    out["half_life_seconds"] = decay.half_life().count();
    out["stretch"] = decay.stretch();
  }
  static ebb::stretched_exponential_decay<double> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.stretched_exponential_decay", 1);
    const ebb::stretched_exponential_decay<double> decay(fields.seconds("half_life_seconds"),
                                                         {.stretch = fields.number("stretch")});
    fields.finish();
    return decay;
  }
};

template <>
struct adl_serializer<ebb::gaussian_decay<double>> {
  static void to_json(json& out, const ebb::gaussian_decay<double>& decay) {
    out = ebb::detail::json_object("ebb.gaussian_decay", 1);
    out["half_life_seconds"] = decay.half_life().count();
    out["offset_seconds"] = decay.offset().count();
  }
  static ebb::gaussian_decay<double> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.gaussian_decay", 1);
    const ebb::gaussian_decay<double> decay(fields.seconds("half_life_seconds"),
                                            {.offset = fields.seconds("offset_seconds")});
    fields.finish();
    return decay;
  }
};

template <>
struct adl_serializer<ebb::step_decay<double>> {
  static void to_json(json& out, const ebb::step_decay<double>& decay) {
    out = ebb::detail::json_object("ebb.step_decay", 1);
    out["half_life_seconds"] = decay.half_life().count();
    out["steps_per_half_life"] = decay.steps_per_half_life();
  }
  static ebb::step_decay<double> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.step_decay", 1);
    const ebb::step_decay<double> decay(fields.seconds("half_life_seconds"),
                                        {.steps_per_half_life = fields.integer<int>("steps_per_half_life")});
    fields.finish();
    return decay;
  }
};

template <class Inner>
struct adl_serializer<ebb::delayed_decay<Inner>> {
  static void to_json(json& out, const ebb::delayed_decay<Inner>& decay) {
    out = ebb::detail::json_object("ebb.delayed_decay", 1);
    out["offset_seconds"] = decay.offset().count();
    out["inner"] = decay.inner();
  }
  static ebb::delayed_decay<Inner> from_json(const json& in) {
    return ebb::detail::read_delayed_decay<Inner>(in, [](const json& inner) { return inner.get<Inner>(); });
  }
};

template <class Part>
struct adl_serializer<ebb::mixture_decay<Part>> {
  static void to_json(json& out, const ebb::mixture_decay<Part>& decay) {
    out = ebb::detail::json_object("ebb.mixture_decay", 1);
    out["parts"] = decay.parts();
    out["weights"] = decay.weights();
    out["speed"] = decay.speed();
  }
  static ebb::mixture_decay<Part> from_json(const json& in) {
    return ebb::detail::read_mixture_decay<Part>(in, [](const json& part) { return part.get<Part>(); });
  }
};

template <>
struct adl_serializer<ebb::timescales> {
  static void to_json(json& out, const ebb::timescales& bank) {
    out = ebb::detail::json_object("ebb.timescales", 1);
    std::vector<double> seconds;
    for (int k = 0; k < bank.size(); ++k)
      seconds.push_back(ebb::detail::exact_seconds(bank.half_life(k), bank.grid().half_life(k)));
    out["half_lives_seconds"] = seconds;
  }
  static ebb::timescales from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.timescales", 1);
    std::vector<ebb::duration> half_lives;
    for (const double seconds : fields.numbers("half_lives_seconds")) half_lives.emplace_back(seconds);
    fields.finish();
    return ebb::timescales(half_lives);
  }
};

template <>
struct adl_serializer<ebb::reading> {
  static void to_json(json& target, const ebb::reading& how) {
    json out = ebb::detail::json_object("ebb.reading", 1);
    out["bank"] = how.bank();
    out["weights"] = ebb::detail::json_numbers(how.weights(), "weights");
    target = std::move(out);
  }
  static ebb::reading from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.reading", 1);
    ebb::reading how(fields.at("bank").get<ebb::timescales>(), fields.numbers("weights"));
    fields.finish();
    return how;
  }
};

}  // namespace nlohmann

namespace ebb {

namespace detail {

/// depth: of decays within decays; deeper than any that means something is refused before the stack runs out.
[[nodiscard]] inline std::function<double(duration)> any_decay_from_json(const nlohmann::json& in, int depth) {
  using any = std::function<double(duration)>;
  require(depth <= 16, "decay_from_json", "decays must stand at most 16 deep in each other", depth);
  const std::string format = json_format(in);
  const auto read_part = [depth](const nlohmann::json& part) { return any_decay_from_json(part, depth + 1); };
  if (format == "ebb.exponential_decay") return in.get<exponential_decay<double>>();
  if (format == "ebb.power_law_decay") return in.get<power_law_decay<double>>();
  if (format == "ebb.stretched_exponential_decay") return in.get<stretched_exponential_decay<double>>();
  if (format == "ebb.gaussian_decay") return in.get<gaussian_decay<double>>();
  if (format == "ebb.step_decay") return in.get<step_decay<double>>();
  if (format == "ebb.delayed_decay") return read_delayed_decay<any>(in, read_part);
  if (format == "ebb.mixture_decay") return read_mixture_decay<any>(in, read_part);
  if (format == "ebb.linear_decay") return in.get<linear_decay<double>>();
  if (format == "ebb.window_decay") return in.get<window_decay<double>>();
  if (format == "ebb.reading") return in.get<reading>();
  require(false, "decay_from_json", "the \"format\" must be that of a decay", "\"" + format + "\"");
  return {};
}

}  // namespace detail

/// A decay of whichever family the JSON names: what a configuration file says, as one type.
///
/// Errors: std::invalid_argument for a format that is no decay, and whatever that family refuses.
[[nodiscard]] inline std::function<double(duration)> decay_from_json(const nlohmann::json& in) {
  return detail::any_decay_from_json(in, 0);
}

}  // namespace ebb

#endif  // EBB_JSON_DECAY_HPP
