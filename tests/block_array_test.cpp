// SPDX-License-Identifier: MIT
#include "ebb/detail/block_array.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "ebb/random.hpp"

namespace block_array_test {

namespace {

using ebb::detail::block_array;

template <std::size_t Size>
struct sized {
  char bytes[Size] = {};
};

template <class T>
bool begins_on_a_line(const T& value) {
  return reinterpret_cast<std::uintptr_t>(&value) % 64 == 0;
}

struct refuses {
  explicit refuses(bool now) {
    if (now) throw std::runtime_error("refused");
  }
};

}  // namespace

TEST_CASE("a block array does what std::vector does", "[block_array]") {
  block_array<std::string> array;
  std::vector<std::string> truth;
  ebb::random_engine random(3);
  for (int step = 0; step < 6000; ++step) {
    const bool grows = step / 1500 % 2 == 0;
    if (truth.empty() || random.below(8) < (grows ? 7U : 1U)) {
      array.emplace_back(std::size_t{20}, static_cast<char>('a' + step % 26));
      truth.emplace_back(std::size_t{20}, static_cast<char>('a' + step % 26));
    } else {
      array.pop_back();
      truth.pop_back();
    }
    REQUIRE(array.size() == truth.size());
    if (step % 100 == 0)
      for (std::size_t i = 0; i < truth.size(); ++i) REQUIRE(array[i] == truth[i]);
  }
}

TEST_CASE("elements of a block array stay where they are once there is more than one block", "[block_array]") {
  block_array<int> array;
  for (int i = 0; i < 300; ++i) array.emplace_back(i);
  std::vector<const int*> before;
  for (std::size_t i = 0; i < array.size(); ++i) before.push_back(&array[i]);
  for (int i = 300; i < 5000; ++i) array.emplace_back(i);
  for (std::size_t i = 0; i < before.size(); ++i) REQUIRE(&array[i] == before[i]);
}

TEST_CASE("an element of about a line of the cache begins on one", "[block_array]") {
  block_array<sized<33>> small;
  block_array<sized<64>> whole;
  for (int i = 0; i < 1000; ++i) {
    small.emplace_back();
    whole.emplace_back();
    REQUIRE(begins_on_a_line(small[static_cast<std::size_t>(i)]));
    REQUIRE(begins_on_a_line(whole[static_cast<std::size_t>(i)]));
  }
  block_array<sized<65>> large;
  block_array<sized<32>> half;
  for (int i = 0; i < 1000; ++i) {
    large.emplace_back();
    half.emplace_back();
  }
  CHECK(&large[1] - &large[0] == 1);
  CHECK(&half[1] - &half[0] == 1);
}

TEST_CASE("a block array uses no more memory than its elements and a block", "[block_array]") {
  for (const std::size_t size : {0U, 1U, 10U, 256U, 257U, 10'000U}) {
    block_array<std::uint64_t> array;
    for (std::size_t i = 0; i < size; ++i) array.emplace_back(i);
    CHECK(array.bytes() >= size * sizeof(std::uint64_t));
    CHECK(array.bytes() <= (size + 256) * sizeof(std::uint64_t) + 64 * (size / 256 + 1));
  }
}

TEST_CASE("a copy of a block array is another, and a moved one empty", "[block_array]") {
  block_array<std::unique_ptr<int>> moved;
  for (int i = 0; i < 600; ++i) moved.emplace_back(std::make_unique<int>(i));
  block_array<std::unique_ptr<int>> target = std::move(moved);
  CHECK(target.size() == 600);
  CHECK(*target[599] == 599);
  moved = {};
  CHECK(moved.size() == 0);
  moved.emplace_back(std::make_unique<int>(7));
  CHECK(*moved[0] == 7);

  block_array<int> array;
  for (int i = 0; i < 600; ++i) array.emplace_back(i);
  block_array<int> copy = array;
  copy[5] = -1;
  copy.emplace_back(600);
  copy.pop_back();
  copy.emplace_back(-600);
  CHECK(array[5] == 5);
  CHECK(array.size() == 600);
  CHECK(copy[600] == -600);
  array = copy;
  CHECK(array.size() == 601);
  CHECK(array[5] == -1);
}

TEST_CASE("an element that cannot be made leaves a block array as it was", "[block_array]") {
  for (const std::size_t size : {0U, 1U, 255U, 256U, 512U}) {
    block_array<refuses> array;
    for (std::size_t i = 0; i < size; ++i) array.emplace_back(false);
    CHECK_THROWS_AS(array.emplace_back(true), std::runtime_error);
    CHECK(array.size() == size);
    array.emplace_back(false);
    CHECK(array.size() == size + 1);
  }
}

}  // namespace block_array_test
