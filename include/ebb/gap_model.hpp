// SPDX-License-Identifier: MIT
#ifndef EBB_GAP_MODEL_HPP
#define EBB_GAP_MODEL_HPP

#include "ebb/decay_function.hpp"
#include "ebb/mlp.hpp"
#include "ebb/random.hpp"
#include "ebb/scaler.hpp"
#include "ebb/time.hpp"
#include "ebb/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <Eigen/Core>

namespace ebb {

/// What the network sees of a gap, before it is standardised.
///
///   raw          gap / unit            the plain choice; it resolves gaps near the usual one, and shorter ones look alike
///   logarithmic  ln(1 + gap / unit)    resolves seconds and months at once
enum class gap_input : std::uint8_t { raw, logarithmic };

namespace detail {

/// Returns a gap that is missing (NaN), or finite and >= 0; throws otherwise.
inline duration checked_input_gap(duration gap) {
  if (std::isnan(gap.count())) return gap;
  require(std::isfinite(gap.count()), "gap_model", "gap must be finite", gap);
  return checked_gap(gap, "gap_model");
}

}  // namespace detail

/// How far a curve is from the values it should have.
struct gap_errors {
  double rmse = 0.0;     ///< root of the mean squared error
  double mae = 0.0;      ///< mean absolute error
  double largest = 0.0;  ///< largest absolute error
};

/// Interest as a function of the time gap since the last event, read off a small network.
///
///   interest(gap) = network(z)        z = (input(gap) − mean) / scale
///
/// Units:  any std::chrono duration; a NaN duration is a missing gap and reads as the mean input.
/// Range:  where it was trained it follows the data. It need not stay in [0, 1] nor fall with the gap, and with relu
///         units it goes on in a straight line in z past the longest training gap: a curve, not a decay function.
/// Errors: std::domain_error for a gap < 0, std::invalid_argument for an infinite one.
/// Threads: everything is const and may be used by any number of threads at once.
class gap_model {
 public:
  /// A model from its parts, which `fit_gap_model` makes and a saved model has.
  ///
  /// Errors: std::invalid_argument unless network and scaler have one input, one output and one feature, unit > 0, and all are such that
  ///         no gap up to 1,000 years can overflow what is read.
  gap_model(mlp<double> network, standard_scaler<double> scaler, gap_input input, duration unit)
      : network_(std::move(network)), scaler_(std::move(scaler)), input_(input), unit_(unit) {
    detail::require(network_.inputs() == 1, "gap_model", "the network must have one input", network_.inputs());
    detail::require(network_.outputs() == 1, "gap_model", "the network must have one output", network_.outputs());
    detail::require(scaler_.features() == 1, "gap_model", "the scaler must have one feature", scaler_.features());
    detail::require(unit > duration(0) && std::isfinite(unit.count()), "gap_model", "unit must be finite and > 0",
                    unit);
    const double most = largest_sum();
    detail::require(std::isfinite(most), "gap_model", "what is read must be finite for every gap up to 1,000 years",
                    most);
  }

  /// The interest left after `gap`.
  [[nodiscard]] double operator()(duration gap) const {
    double interest = 0.0;
    read(std::span(&gap, 1), std::span(&interest, 1));
    return interest;
  }

  /// interest[i] = the interest left after gap[i]; many at once are several times cheaper each.
  void read(std::span<const duration> gap, std::span<double> interest) const {
    detail::require(gap.size() == interest.size(), "gap_model::read", "interest must be one per gap, entries",
                    interest.size());
    Eigen::MatrixXd z = inputs(gap);
    scaler_.transform(z);
    mlp_workspace<double> memory;
    network_.predict(z, Eigen::Map<Eigen::MatrixXd>(interest.data(), 1, z.cols()), memory);
  }

  /// How far the model is from `curve` on 256 gaps from `shortest` to `longest`, evenly spaced in the network's input.
  ///
  /// `curve` is called with an ebb::duration: a decay function, or one times the interest at gap 0.
  template <std::regular_invocable<duration> Curve>
  [[nodiscard]] gap_errors compare(const Curve& curve, duration shortest, duration longest) const {
    detail::require(shortest >= duration(0) && shortest < longest && std::isfinite(longest.count()),
                    "gap_model::compare", "shortest must be >= 0 and below a finite longest", shortest);
    std::vector<duration> gaps(256);
    std::vector<double> wanted(gaps.size());
    const double from = input(shortest), to = input(longest);
    for (std::size_t i = 0; i < gaps.size(); ++i) {
      const double at = std::lerp(from, to, static_cast<double>(i) / static_cast<double>(gaps.size() - 1));
      gaps[i] = unit_ * (input_ == gap_input::raw ? at : std::expm1(at));
      wanted[i] = static_cast<double>(curve(gaps[i]));
    }
    return errors(gaps, wanted);
  }

  /// How far the model is from given interest values, one per gap.
  [[nodiscard]] gap_errors errors(std::span<const duration> gap, std::span<const double> interest) const {
    detail::require(!gap.empty() && gap.size() == interest.size(), "gap_model::errors",
                    "interest must be one per gap and not empty, entries", interest.size());
    std::vector<double> answer(gap.size());
    read(gap, answer);
    gap_errors found;
    for (std::size_t i = 0; i < gap.size(); ++i) {
      const double off = std::abs(answer[i] - interest[i]);
      found.mae += off / static_cast<double>(gap.size());
      found.rmse += off * off / static_cast<double>(gap.size());
      found.largest = std::max(found.largest, off);
    }
    found.rmse = std::sqrt(found.rmse);
    return found;
  }

  /// The network's input for each gap before standardising, (1, gaps); NaN where the gap is missing.
  [[nodiscard]] Eigen::MatrixXd inputs(std::span<const duration> gap) const {
    Eigen::MatrixXd x(1, static_cast<Eigen::Index>(gap.size()));
    for (std::size_t i = 0; i < gap.size(); ++i) x(0, static_cast<Eigen::Index>(i)) = input(gap[i]);
    return x;
  }

  [[nodiscard]] const mlp<double>& network() const noexcept { return network_; }
  [[nodiscard]] const standard_scaler<double>& scaler() const noexcept { return scaler_; }
  [[nodiscard]] gap_input input() const noexcept { return input_; }
  [[nodiscard]] duration unit() const noexcept { return unit_; }

 private:
  /// No unit's input can be further from 0 at any gap up to 1,000 years: by the sizes of weights alone, whatever their signs.
  [[nodiscard]] double largest_sum() const {
    const duration ends[] = {duration(0), std::chrono::years(1000)};
    const Eigen::ArrayXXd z = (inputs(ends).array() - scaler_.mean()[0]) / scaler_.scale()[0];
    double most = z.abs().sum();
    Eigen::VectorXd values = Eigen::VectorXd::Constant(1, most);
    for (std::size_t l = 0; l < network_.layers(); ++l) {
      values = (network_.weight(l).cwiseAbs() * values + network_.bias(l).cwiseAbs()).eval();
      most += values.sum();
      values.array() += 1.0;  // every activation answers at most 1 + |z|
    }
    return most;
  }

  [[nodiscard]] double input(duration gap) const {
    const double units = detail::checked_input_gap(gap) / unit_;
    return input_ == gap_input::raw ? units : std::log1p(units);
  }

  mlp<double> network_;
  standard_scaler<double> scaler_;
  gap_input input_;
  duration unit_;
};

/// How `fit_gap_model` learns: one hidden relu layer and a linear output, and by default squared loss, Adam, minibatches
/// of 32, 100 epochs and the newest fifth held out.
struct gap_model_options {
  Eigen::Index hidden = 32;
  gap_input input = gap_input::logarithmic;
  std::optional<duration> unit = {};  ///< unset: the median training gap, so that half the gaps lie in the input's bend
  trainer_options training = {};
  std::uint64_t seed = 1;  ///< of the starting weights; training.seed is that of the order of samples
};

/// What `fit_gap_model` learned, and how well it fits the samples it trained on and those it held out.
struct gap_fit {
  gap_model model;
  training_report training;
  gap_errors train;
  std::optional<gap_errors> validation;  ///< none without a validation part
  duration shortest{}, longest{};        ///< the range of the training gaps
};

/// Learns interest from gaps: the network of `gap_model_options`, trained on pairs (gap[i], interest[i]).
///
/// The samples are taken to be in the order of time: the validation part is the last `training.validation_share` of
/// them, and unit, mean and scale come from the rest alone. Missing gaps (NaN) are filled with the mean input. Each relu
/// unit starts with its bend at a training gap drawn at random, since with biases of zero all of them would bend at
/// the mean. With the logistic loss, targets are probabilities or 0 and 1 (did the user come back?) and so is what the
/// model answers. Deterministic: the same samples, options and build give the same model to the last bit on machines
/// whose processors have the same vector instructions.
///
/// O(epochs · samples · hidden).
/// Errors: std::domain_error for a gap < 0; std::invalid_argument for an infinite one, lengths that differ, no known
///         training gap, interest that is not finite or, with the logistic loss, not in [0, 1], and whatever
///         `mlp` and `fit` refuse.
template <std::same_as<gap_model_options> Options = gap_model_options>
[[nodiscard]] gap_fit fit_gap_model(std::span<const duration> gap, std::span<const double> interest,
                                    std::type_identity_t<Options> options = {}) {
  constexpr const char* where = "fit_gap_model";
  detail::require(gap.size() == interest.size(), where, "interest must be one per gap, entries", interest.size());
  std::vector<duration> gaps(gap.begin(), gap.end());
  std::vector<double> targets(interest.begin(), interest.end());
  if (std::exchange(options.training.shuffled_split, false)) {  // here, so that the two parts are known below
    std::vector<std::size_t> order(gaps.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    random_engine(options.training.seed).split(3).shuffle(order.begin(), order.end());
    for (std::size_t i = 0; i < order.size(); ++i) {
      gaps[i] = gap[order[i]];
      targets[i] = interest[order[i]];
    }
  }

  const Eigen::Index samples = static_cast<Eigen::Index>(gaps.size());
  const std::size_t training = static_cast<std::size_t>(samples - detail::validation_count(samples, options.training));
  const std::span<const duration> train_gaps(gaps.data(), training),
      held_gaps(gaps.data() + training, gaps.size() - training);
  std::vector<duration> known;
  for (const duration g : train_gaps)
    if (!std::isnan(detail::checked_input_gap(g).count())) known.push_back(g);
  detail::require(!known.empty(), where, "there must be a known gap to train on, known", known.size());
  std::ranges::sort(known);
  duration unit = options.unit.value_or(known[known.size() / 2]);
  if (!options.unit && unit == duration(0)) unit = known.back() > duration(0) ? known.back() : duration(1);

  standard_scaler<double> scaler(1);
  mlp_options shape = {.hidden = {options.hidden}, .seed = options.seed};
  mlp<double> network(1, shape);
  const gap_model untrained(network, scaler, options.input, unit);
  scaler.observe(untrained.inputs(train_gaps));
  Eigen::MatrixXd z = untrained.inputs(gaps);
  scaler.transform(z);

  random_engine random = random_engine(options.seed).split(1);
  for (Eigen::Index k = 0; k < options.hidden; ++k) {
    const double bend = z(0, static_cast<Eigen::Index>(random.below(training)));
    network.bias(0)[k] = -network.weight(0)(k, 0) * bend;
  }
  training_report report =
      fit(network, z, Eigen::Map<const Eigen::MatrixXd>(targets.data(), 1, samples), options.training);
  if (options.training.loss == loss_function::logistic) {  // it was trained on logits and is read as probabilities
    shape.output_activation = activation::sigmoid;
    mlp<double> reader(1, shape);
    reader.parameters() = network.parameters();
    network = std::move(reader);
  }

  gap_model model(std::move(network), std::move(scaler), options.input, unit);
  gap_fit result{std::move(model), std::move(report), {}, {}, known.front(), known.back()};
  result.train = result.model.errors(train_gaps, std::span(targets).first(training));
  if (!held_gaps.empty()) result.validation = result.model.errors(held_gaps, std::span(targets).subspan(training));
  return result;
}

}  // namespace ebb

#endif  // EBB_GAP_MODEL_HPP
