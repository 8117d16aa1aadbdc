// SPDX-License-Identifier: MIT
// Only an exponential may decay what is stored: under any other decay the result would depend on when it was last touched.
// must fail with: ebb::advance: Decay must be a semigroup, D.a. . D.b. = D.a . b., as the exponential alone is
#include <ebb/decay.hpp>

using namespace std::chrono_literals;

#ifdef EBB_MUST_FAIL
double left = ebb::advance(1.0, ebb::power_law_decay(24h), 1h);
#else
double left = ebb::advance(1.0, ebb::exponential_decay(24h), 1h);
#endif
