// SPDX-License-Identifier: MIT
#include "ebb/item_regression.hpp"

#include <Eigen/Dense>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace item_regression_test {

namespace {

using profiles = std::vector<ebb::item_profile<double>>;

profiles random_profiles(std::uint64_t seed, std::size_t users, std::uint64_t items, double density) {
  ebb::random_engine random(seed);
  profiles out(users);
  for (auto& profile : out)
    for (std::uint64_t i = 0; i < items; ++i)
      if (random.uniform() < density) profile.push_back({static_cast<Eigen::Index>(i), 0.1 + random.uniform()});
  return out;
}

Eigen::MatrixXd dense(const profiles& all, Eigen::Index items) {
  Eigen::MatrixXd x = Eigen::MatrixXd::Zero(std::ssize(all), items);
  for (std::size_t u = 0; u < all.size(); ++u)
    for (const auto& entry : all[u]) x(static_cast<Eigen::Index>(u), entry.item) += entry.weight;
  return x;
}

/// One ridge regression per item on all the others, item by item.
Eigen::MatrixXd regressions(const Eigen::MatrixXd& x, double ridge) {
  const Eigen::Index n = x.cols();
  Eigen::MatrixXd weights = Eigen::MatrixXd::Zero(n, n);
  for (Eigen::Index j = 0; j < n; ++j) {
    Eigen::MatrixXd others = x;
    others.col(j).setZero();
    Eigen::MatrixXd normal = others.transpose() * others;
    normal.diagonal().array() += ridge;
    weights.col(j) = normal.ldlt().solve(others.transpose() * x.col(j));
  }
  return weights;
}

}  // namespace

TEST_CASE("scores are those of one ridge regression per item, from either side", "[item_regression]") {
  const auto [users, items] = GENERATE(std::pair(40, 12), std::pair(12, 40), std::pair(15, 15), std::pair(0, 3));
  const profiles all = random_profiles(3, static_cast<std::size_t>(users), static_cast<std::uint64_t>(items), 0.3);
  const double ridge = 1.7;
  const ebb::item_regression<double> model(all, items, ridge);
  const Eigen::MatrixXd weights = regressions(dense(all, items), ridge);
  const profiles asked = random_profiles(4, 20, static_cast<std::uint64_t>(items), 0.2);
  const Eigen::MatrixXd expected = dense(asked, items) * weights;
  for (std::size_t q = 0; q < asked.size(); ++q) {
    Eigen::VectorXd score(items);
    model.score(asked[q], score);
    CHECK((score - expected.row(static_cast<Eigen::Index>(q)).transpose()).cwiseAbs().maxCoeff() < 1e-10);
  }
}

TEST_CASE("float gives double's scores to its precision", "[item_regression]") {
  const profiles all = random_profiles(5, 60, 30, 0.2);
  std::vector<ebb::item_profile<float>> same(all.size());
  for (std::size_t u = 0; u < all.size(); ++u)
    for (const auto& entry : all[u]) same[u].push_back({entry.item, static_cast<float>(entry.weight)});
  const ebb::item_regression<double> exact(all, 30, 5.0);
  const ebb::item_regression<float> model(same, 30, 5.0);
  Eigen::VectorXd expected(30);
  Eigen::VectorXf score(30);
  exact.score(all[0], expected);
  model.score(same[0], score);
  CHECK((score.cast<double>() - expected).cwiseAbs().maxCoeff() < 1e-5);
}

TEST_CASE("an item twice in a profile counts with the sum of its weights", "[item_regression]") {
  profiles all = random_profiles(6, 8, 20, 0.3);
  profiles split = all;
  for (auto& profile : split)
    if (!profile.empty()) {
      profile.front().weight -= 0.05;
      profile.push_back({profile.front().item, 0.05});
    }
  for (const Eigen::Index items : {Eigen::Index{20}, Eigen::Index{200}}) {
    Eigen::VectorXd once(items);
    Eigen::VectorXd twice(items);
    ebb::item_regression<double>(all, items, 2.0).score(all[1], once);
    ebb::item_regression<double>(split, items, 2.0).score(split[1], twice);
    CHECK((once - twice).cwiseAbs().maxCoeff() < 1e-12);
  }
}

TEST_CASE("what an item regression cannot be made of is refused", "[item_regression]") {
  const profiles none;
  CHECK_THROWS_AS(ebb::item_regression<double>(none, 3, 0.0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::item_regression<double>(none, 3, std::numeric_limits<double>::infinity()),
                  std::invalid_argument);
  CHECK_THROWS_AS(ebb::item_regression<double>(none, 0, 1.0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::item_regression<double>(profiles{{{3, 1.0}}}, 3, 1.0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::item_regression<double>(profiles{{{-1, 1.0}}}, 3, 1.0), std::invalid_argument);
  CHECK_THROWS_AS(ebb::item_regression<double>(profiles{{{0, std::nan("")}}}, 3, 1.0), std::invalid_argument);
  const ebb::item_regression<double> model(none, 3, 1.0);
  Eigen::VectorXd score(2);
  CHECK_THROWS_WITH(model.score({}, score), "ebb::item_regression::score: score must have one entry an item, got 2");
}

}  // namespace item_regression_test
