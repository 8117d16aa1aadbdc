// SPDX-License-Identifier: MIT
#ifndef EBB_JSON_EMA_HPP
#define EBB_JSON_EMA_HPP

#include <chrono>
#include <concepts>
#include <cstdint>
#include <utility>

#include <nlohmann/json.hpp>

#include "ebb/detail/json_fields.hpp"
#include "ebb/ema.hpp"
#include "ebb/time.hpp"

// {"format": "ebb.ema_state", "version": 1, "value": 0.6, "last_nanoseconds_since_epoch": 1764000000000000000}; null for a state still empty.

namespace nlohmann {

template <std::floating_point T>
struct adl_serializer<ebb::step_ema<T>> {
  static void to_json(json& out, const ebb::step_ema<T>& ema) {
    out = ebb::detail::json_object("ebb.step_ema", 1);
    out["alpha"] = static_cast<double>(ema.alpha());
  }
  static ebb::step_ema<T> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.step_ema", 1);
    const ebb::step_ema<T> ema(ebb::detail::narrowed<T>(fields.number("alpha"), "alpha"));
    fields.finish();
    return ema;
  }
};

template <std::floating_point T>
struct adl_serializer<ebb::timed_ema<T>> {
  static void to_json(json& out, const ebb::timed_ema<T>& ema) {
    out = ebb::detail::json_object("ebb.timed_ema", 1);
    out["half_life_seconds"] = ema.half_life().count();
  }
  static ebb::timed_ema<T> from_json(const json& in) {
    ebb::detail::json_fields fields(in, "ebb.timed_ema", 1);
    const ebb::timed_ema<T> ema(fields.seconds("half_life_seconds"));
    fields.finish();
    return ema;
  }
};

template <std::floating_point T>
struct adl_serializer<ebb::ema_state<T>> {
  static void to_json(json& target, const ebb::ema_state<T>& state) {
    using std::chrono::nanoseconds;
    json out = ebb::detail::json_object("ebb.ema_state", 1);
    out["value"] = ebb::detail::json_number(static_cast<double>(state.value), "value");
    out["last_nanoseconds_since_epoch"] = nullptr;
    if (!state.empty())
      out["last_nanoseconds_since_epoch"] =
          std::int64_t{std::chrono::duration_cast<nanoseconds>(state.last.time_since_epoch()).count()};
    target = std::move(out);
  }
  static ebb::ema_state<T> from_json(const json& in) {
    using std::chrono::nanoseconds;
    ebb::detail::json_fields fields(in, "ebb.ema_state", 1);
    ebb::ema_state<T> state{ebb::detail::narrowed<T>(fields.number("value"), "value"), ebb::ema_state<T>::never};
    if (!fields.is_null("last_nanoseconds_since_epoch"))
      state.last = ebb::time_point(std::chrono::duration_cast<ebb::time_point::duration>(
          nanoseconds(fields.integer<std::int64_t>("last_nanoseconds_since_epoch"))));
    fields.finish();
    return state;
  }
};

}  // namespace nlohmann

#endif  // EBB_JSON_EMA_HPP
