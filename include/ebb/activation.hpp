// SPDX-License-Identifier: MIT
#ifndef EBB_ACTIVATION_HPP
#define EBB_ACTIVATION_HPP

#include <concepts>
#include <cstdint>

#include <Eigen/Core>

namespace ebb {

/// What a unit of a network makes of its input z.
///
///   identity  z
///   relu      max(0, z)                                       slope 0 at z = 0
///   tanh      tanh z
///   sigmoid   σ(z) = 1 / (1 + e^(−z))
///   gelu      z · σ(2√(2/π) · (z + 0.044715 z³))              the tanh form, within 5e-4 of z · Φ(z)
///
/// Source: V. Nair, G. Hinton, Rectified linear units improve restricted Boltzmann machines, ICML 2010;
///         D. Hendrycks, K. Gimpel, Gaussian error linear units (GELUs), arXiv:1606.08415, 2016, section 2.
enum class activation : std::uint8_t { identity, relu, tanh, sigmoid, gelu };

namespace detail {

template <std::floating_point T>
using flat_array = Eigen::Array<T, Eigen::Dynamic, 1>;

/// √(2/π) · 2, the factor of z in gelu's gate, and that of z³.
inline constexpr double gelu_linear = 1.5957691216057308, gelu_cubic = 0.044715 * gelu_linear;

// NOLINTBEGIN(readability-identifier-naming): the names are those that Eigen looks for

/// max(0, z), which unlike Eigen's own keeps NaN; by packets of numbers, which a compiler makes of a plain loop only from -O3 on.
template <std::floating_point T>
struct rectified {
  [[nodiscard]] T operator()(const T& z) const { return z < T(0) ? T(0) : z; }
  template <class Packet>
  [[nodiscard]] Packet packetOp(const Packet& z) const {
    return Eigen::internal::pandnot(z, Eigen::internal::pcmp_lt(z, Eigen::internal::pzero(z)));
  }
};

/// 1 where z > 0, else 0.
template <std::floating_point T>
struct is_positive {
  [[nodiscard]] T operator()(const T& z) const { return z > T(0) ? T(1) : T(0); }
  template <class Packet>
  [[nodiscard]] Packet packetOp(const Packet& z) const {
    return Eigen::internal::pand(Eigen::internal::pset1<Packet>(T(1)),
                                 Eigen::internal::pcmp_lt(Eigen::internal::pzero(z), z));
  }
};

// NOLINTEND(readability-identifier-naming)

/// The factor of z in gelu, σ(2√(2/π) · (z + 0.044715 z³)), elementwise.
/// Past |z| = 10 it is 0 or 1 to within 1e-37; z² stops growing there so that a huge z stays finite, and below −10 it is 0, since a huge −z
/// times the least that the vectorised σ gives is not small.
template <std::floating_point T>
void gelu_gate(const Eigen::Ref<const flat_array<T>>& z, Eigen::Ref<flat_array<T>> gate) {
  gate = (z < T(-10)).select(T(0), (z * (T(gelu_linear) + T(gelu_cubic) * z.square().min(T(100)))).logistic());
}

}  // namespace detail

}  // namespace ebb

namespace Eigen::internal {

// NOLINTBEGIN(readability-identifier-naming): the names are those that Eigen looks for
template <class T>
struct functor_traits<ebb::detail::rectified<T>> {
  enum { Cost = 2 * NumTraits<T>::AddCost, PacketAccess = packet_traits<T>::HasCmp };
};
template <class T>
struct functor_traits<ebb::detail::is_positive<T>> {
  enum { Cost = 2 * NumTraits<T>::AddCost, PacketAccess = packet_traits<T>::HasCmp };
};

// NOLINTEND(readability-identifier-naming)

}  // namespace Eigen::internal

namespace ebb {

/// value = φ(z) and slope = φ′(z), elementwise, for training; both exact for the formulas above, NaN stays NaN in value.
///
/// z, value, slope: any one length, none overlapping another. O(length), no allocation, vectorised in float
/// (in double all but tanh).
template <std::floating_point T>
void activate(activation kind, const Eigen::Ref<const detail::flat_array<T>>& z,
              Eigen::Ref<detail::flat_array<T>> value, Eigen::Ref<detail::flat_array<T>> slope) {
  switch (kind) {
    case activation::identity:
      value = z;
      slope.setOnes();
      break;
    case activation::relu:
      value = z.unaryExpr(detail::rectified<T>());
      slope = z.unaryExpr(detail::is_positive<T>());
      break;
    case activation::tanh:
      value = z.tanh();
      slope = T(1) - value.square();
      break;
    case activation::sigmoid:
      value = z.logistic();
      slope = value * (T(1) - value);
      break;
    case activation::gelu:
      detail::gelu_gate<T>(z, slope);
      value = z * slope;
      slope += value * (T(1) - slope) * (T(detail::gelu_linear) + T(3 * detail::gelu_cubic) * z.square().min(T(100)));
      break;
  }
}

/// z = φ(z), elementwise and in place, for reading a trained network; `gate` is scratch of the same length.
template <std::floating_point T>
void activate(activation kind, Eigen::Ref<detail::flat_array<T>> z, Eigen::Ref<detail::flat_array<T>> gate) {
  switch (kind) {
    case activation::identity:
      break;
    case activation::relu:
      z = z.unaryExpr(detail::rectified<T>());
      break;
    case activation::tanh:
      z = z.tanh();
      break;
    case activation::sigmoid:
      z = z.logistic();
      break;
    case activation::gelu:
      detail::gelu_gate<T>(z, gate);
      z *= gate;
      break;
  }
}

}  // namespace ebb

#endif  // EBB_ACTIVATION_HPP
