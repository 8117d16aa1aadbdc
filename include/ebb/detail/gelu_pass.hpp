// SPDX-License-Identifier: MIT
#ifndef EBB_DETAIL_GELU_PASS_HPP
#define EBB_DETAIL_GELU_PASS_HPP

#include <algorithm>

#include <Eigen/Core>

#include "ebb/activation.hpp"

namespace ebb::detail {

/// gelu of one packet, activation.hpp's within 3e-7 |z|.
///
/// z σ(2u) = z (½ + ½ tanh u) with tanh u = u P(u²)/Q(u²), minimax in absolute error over |u| <= 8.5 (3e-8, rounding apart): half of it is
/// added to ½, so small u need no care of their own. P is halved beforehand.
template <class Packet>
[[nodiscard]] Packet gelu_packet(const Packet& z) {
  const auto all = [](float value) { return Eigen::internal::pset1<Packet>(value); };
  const Packet slope = Eigen::internal::pmadd(all(static_cast<float>(gelu_cubic / 2)), Eigen::internal::pmul(z, z),
                                              all(static_cast<float>(gelu_linear / 2)));
  const Packet u = Eigen::internal::pmax(all(-8.5F), Eigen::internal::pmin(all(8.5F), Eigen::internal::pmul(z, slope)));
  const Packet s = Eigen::internal::pmul(u, u);
  Packet p = Eigen::internal::pmadd(all(0x1.64ab0ep-37F), s, all(-0x1.d0e2fp-28F));
  p = Eigen::internal::pmadd(p, s, all(0x1.3ef6acp-18F));
  p = Eigen::internal::pmadd(p, s, all(0x1.8222cp-10F));
  p = Eigen::internal::pmadd(p, s, all(0x1.090f14p-4F));
  p = Eigen::internal::pmadd(p, s, all(0x1.fffffap-2F));
  Packet q = Eigen::internal::pmadd(all(0x1.e5c926p-13F), s, all(0x1.870294p-6F));
  q = Eigen::internal::pmadd(q, s, all(0x1.d9dcb6p-2F));
  q = Eigen::internal::pmadd(q, s, all(1.0F));
  return Eigen::internal::pmul(z,
                               Eigen::internal::padd(all(0.5F), Eigen::internal::pdiv(Eigen::internal::pmul(u, p), q)));
}

/// gelu of n values in place. What a value becomes does not depend on where it stands: the rest goes through a packet, too.
inline void gelu_pass(float* x, Eigen::Index n) {
  using packet = Eigen::internal::packet_traits<float>::type;
  constexpr Eigen::Index width = Eigen::internal::packet_traits<float>::size;
  Eigen::Index i = 0;
  for (; i + width <= n; i += width)
    Eigen::internal::pstoreu(x + i, gelu_packet(Eigen::internal::ploadu<packet>(x + i)));
  if (i == n) return;
  float rest[width] = {};
  std::copy(x + i, x + n, rest);
  Eigen::internal::pstoreu(rest, gelu_packet(Eigen::internal::ploadu<packet>(rest)));
  std::copy_n(rest, n - i, x + i);
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_GELU_PASS_HPP
