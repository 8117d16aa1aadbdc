// SPDX-License-Identifier: MIT
#include <ebb/interest_store.hpp>
#include <ebb/random.hpp>

#include <cstdint>
#include <thread>
#include <vector>

#include "catch.hpp"

namespace concurrent_read_test {

TEST_CASE("many threads may read one store at the same time", "[concurrent_read]") {
  using store_type = ebb::interest_store<std::uint32_t, std::uint32_t>;
  store_type store{ebb::store_options{}};
  ebb::random_engine random(1);
  const ebb::time_point start = std::chrono::sys_days(std::chrono::year(2024) / 1 / 1);
  for (int i = 0; i < 2000; ++i) {
    store.observe(static_cast<std::uint32_t>(random.below(20)), static_cast<std::uint32_t>(random.below(50)),
                  start + std::chrono::seconds(random.below(10'000'000)));
  }
  const store_type& shared = store;
  const ebb::reading how = ebb::reading::inverse_half_life(ebb::store_options{}.lanes);
  const ebb::time_point now = start + std::chrono::days(200);
  const auto read = [&](std::vector<double>& seen) {
    for (std::uint32_t user = 0; user < 20; ++user) {
      for (const auto& best : shared.top(user, 5, how, now)) {
        seen.push_back(best.interest);
        seen.push_back(shared.interest(user, best.item, how, now));
        seen.push_back(shared.heat(best.item, how, now));
      }
    }
  };
  std::vector<double> alone;
  read(alone);
  std::vector<std::vector<double>> together(4);
  {
    std::vector<std::thread> threads;
    for (auto& seen : together) threads.emplace_back(read, std::ref(seen));
    for (auto& thread : threads) thread.join();
  }
  for (const auto& seen : together) CHECK(seen == alone);
}

}  // namespace concurrent_read_test
