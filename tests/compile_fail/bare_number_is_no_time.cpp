// SPDX-License-Identifier: MIT
// A bare number is never a length of time: 7 days is, 7 is not.
// must fail with: (could not convert|no known conversion)
#include <ebb/time.hpp>

double seconds(ebb::duration d) { return d.count(); }

#ifdef EBB_MUST_FAIL
double x = seconds(7);
#else
double x = seconds(std::chrono::days(7));
#endif
