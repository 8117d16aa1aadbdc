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
  using namespace Eigen::internal;
  const auto all = [](float value) { return pset1<Packet>(value); };
  const Packet slope =
      pmadd(all(static_cast<float>(gelu_cubic / 2)), pmul(z, z), all(static_cast<float>(gelu_linear / 2)));
  const Packet u = pmax(all(-8.5F), pmin(all(8.5F), pmul(z, slope)));
  const Packet s = pmul(u, u);
  Packet p = pmadd(all(0x1.64ab0ep-37F), s, all(-0x1.d0e2fp-28F));
  p = pmadd(p, s, all(0x1.3ef6acp-18F));
  p = pmadd(p, s, all(0x1.8222cp-10F));
  p = pmadd(p, s, all(0x1.090f14p-4F));
  p = pmadd(p, s, all(0x1.fffffap-2F));
  Packet q = pmadd(all(0x1.e5c926p-13F), s, all(0x1.870294p-6F));
  q = pmadd(q, s, all(0x1.d9dcb6p-2F));
  q = pmadd(q, s, all(1.0F));
  return pmul(z, padd(all(0.5F), pdiv(pmul(u, p), q)));
}

/// gelu of n values in place. What a value becomes does not depend on where it stands: the rest goes through a packet, too.
inline void gelu_pass(float* x, Eigen::Index n) {
  using namespace Eigen::internal;
  using packet = packet_traits<float>::type;
  constexpr Eigen::Index width = packet_traits<float>::size;
  Eigen::Index i = 0;
  for (; i + width <= n; i += width) pstoreu(x + i, gelu_packet(ploadu<packet>(x + i)));
  if (i == n) return;
  float rest[width] = {};
  std::copy(x + i, x + n, rest);
  pstoreu(rest, gelu_packet(ploadu<packet>(rest)));
  std::copy_n(rest, n - i, x + i);
}

}  // namespace ebb::detail

#endif  // EBB_DETAIL_GELU_PASS_HPP
