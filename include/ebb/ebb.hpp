// SPDX-License-Identifier: MIT
#ifndef EBB_EBB_HPP
#define EBB_EBB_HPP

#include "ebb/behaviour.hpp"
#include "ebb/candidates.hpp"
#include "ebb/constraints.hpp"
#include "ebb/content_terms.hpp"
#include "ebb/decay.hpp"
#include "ebb/decay_function.hpp"
#include "ebb/decay_mixture.hpp"
#include "ebb/diversity.hpp"
#include "ebb/dpp.hpp"
#include "ebb/ema.hpp"
#include "ebb/exploration.hpp"
#include "ebb/gap_model.hpp"
#include "ebb/host_terms.hpp"
#include "ebb/intake.hpp"
#include "ebb/interest_store.hpp"
#include "ebb/list_measures.hpp"
#include "ebb/off_policy.hpp"
#include "ebb/ranker.hpp"
#include "ebb/ranking_term.hpp"
#include "ebb/readings.hpp"
#include "ebb/return_features.hpp"
#include "ebb/return_network.hpp"
#include "ebb/return_samples.hpp"
#include "ebb/return_trainer.hpp"
#include "ebb/store_terms.hpp"
#include "ebb/time.hpp"
#include "ebb/timescales.hpp"

#endif  // EBB_EBB_HPP
