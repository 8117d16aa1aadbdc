// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_USE_SEQUENCE_HPP
#define EBB_DETAIL_USE_SEQUENCE_HPP

#include <algorithm>
#include <cstdint>
#include <numbers>

#include <Eigen/Core>

#include "ebb/detail/lane_grid.hpp"
#include "ebb/detail/padded_columns.hpp"
#include "ebb/time.hpp"

namespace ebb::detail {

/// Ticks from one moment to one not before it, however far apart; a whole number, exact to 2^53.
[[nodiscard]] inline double ticks_between(lane_grid::ticks from, lane_grid::ticks to) noexcept {
  return static_cast<double>(static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from));
}

/// The age of a use that never was: older than any.
inline constexpr double never_used = 1e30;

[[nodiscard]] inline float to_seconds(double ticks) noexcept {
  constexpr double tick = static_cast<double>(time_point::period::num) / time_point::period::den;
  return static_cast<float>(ticks * tick);
}

/// What a user did next the last times they stood where they stand now: just after using the same item.
///
/// The lead is the item used last. Its earlier uses at τ_1, τ_2 … are remembered; for another item, with first use after τ_r a wait
/// w_r later, the features are means over r of 2^(−w_r / h), h = 10 min, 1 h, 6 h, 1 d, of min(w_r / w, w / w_r), w the time since the
/// lead's last use (both plus a minute), and of whether the item was used at τ_r itself. Powers with w_r past 20 days or 20 hours are 0.
class use_sequence {
 public:
  static constexpr int size = 6;

  /// Writes columns first … first + size − 1 of `out`, one row an entry; without a lead, or at its first use, they are zeros.
  ///
  /// ages: (entries, recent) in ticks, a row's from new to old, never_used where there is none; lead: an entry, or past the last for none.
  void read(padded_columns<double>& ages, Eigen::Index recent, Eigen::Index lead, padded_columns<float>& out,
            Eigen::Index first) {
    for (int f = 0; f < size; ++f) out.col(first + f).setZero();
    if (lead >= ages.rows()) return;
    Eigen::Index passes = 0;
    while (passes + 1 < recent && ages[passes + 1][lead] < never_used) ++passes;
    if (passes == 0) return;
    find_waits(ages, recent, lead, passes, out, first + 5);
    const float waited = to_seconds(ages[0][lead]) + minute;
    powers_.resize(out.rows(), 2);
    for (Eigen::Index r = 0; r < passes; ++r) {
      raise(r, 0, day);
      raise(r, 1, hour);
      const float* const days = powers_[0];
      const float* const hours = powers_[1];
      const float* const wait = waits_[r];
      const auto add = [&](int f, auto value) {
        const float* const sum = out[first + f];
        out.fill(first + f, [&](Eigen::Index i) { return sum[i] + value(i); });
      };
      add(0, [&](Eigen::Index i) { return (hours[i] * hours[i] * hours[i]) * (hours[i] * hours[i] * hours[i]); });
      add(1, [&](Eigen::Index i) { return hours[i]; });
      add(2, [&](Eigen::Index i) { return (days[i] * days[i]) * (days[i] * days[i]); });
      add(3, [&](Eigen::Index i) { return days[i]; });
      add(4, [&](Eigen::Index i) {
        const float w = wait[i] + minute;
        return std::min(w, waited) / std::max(w, waited);
      });
    }
    for (int f = 0; f < size; ++f) out.col(first + f) *= 1 / static_cast<float>(passes);
  }

 private:
  static constexpr float minute = 60;
  static constexpr float hour = 3600;
  static constexpr float day = 86400;

  /// waits_[r][i] = w_r of entry i, and in a column of `out` how often it was used at a τ_r itself.
  ///
  /// Ages are whole ticks, so min(max(d, 0), 1) of a difference is 1 where the one use was later and 0 where it was not: arithmetic in
  /// place of branches that no processor could guess.
  void find_waits(padded_columns<double>& ages, Eigen::Index recent, Eigen::Index lead, Eigen::Index passes,
                  padded_columns<float>& out, Eigen::Index together) {
    constexpr double past_everything = 10 * never_used;
    waits_.resize(out.rows(), passes);
    after_.resize(out.rows(), 2);
    padded_columns<double>::column after = after_.col(0);
    padded_columns<double>::column at_once = after_.col(1);
    at_once.setZero();
    for (Eigen::Index r = 0; r < passes; ++r) {
      const double start = ages[r + 1][lead];
      after.setConstant(past_everything);
      for (Eigen::Index u = 0; u < recent; ++u) {
        const padded_columns<double>::column age = ages.col(u);
        after = after.min((start - age) + past_everything * (1.0 - (start - age).max(0.0).min(1.0)));
        at_once += (1.0 - (start - age).abs()).max(0.0);
      }
      const double* const waits = after_[0];
      waits_.fill(r, [&](Eigen::Index i) { return to_seconds(waits[i]); });
    }
    const double* const counts = after_[1];
    out.fill(together, [&](Eigen::Index i) { return static_cast<float>(counts[i]); });
  }

  /// powers_[c] = 2^(−w_r / h), 0 from 2^(−20) on so that no power of it can be denormal.
  void raise(Eigen::Index r, Eigen::Index c, float h) {
    powers_.col(c) = (waits_.col(r) * (-std::numbers::ln2_v<float> / h)).exp();
    const float* const power = powers_[c];
    powers_.fill(c, [&](Eigen::Index i) { return power[i] > 0x1p-20F ? power[i] : 0.0F; });
  }

  padded_columns<double> after_;  // (entries, 2)
  padded_columns<float> waits_;   // (entries, earlier uses of the lead), in seconds; past 1e20 for none
  padded_columns<float> powers_;  // (entries, 2)
};

}  // namespace ebb::detail

#endif  // EBB_DETAIL_USE_SEQUENCE_HPP
