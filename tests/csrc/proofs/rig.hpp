// A robot for the proofs: a head of random weights, inputs that differ at every tick.
#pragma once

#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "control_loop/clock.hpp"
#include "control_loop/control_loop.hpp"

namespace rig {

using lapa_edge::ActionHead;
using lapa_edge::ControlCycle;
using lapa_edge::Controller;
using lapa_edge::ControlLoop;
using lapa_edge::ControlSpec;
using lapa_edge::DenseWeights;
using lapa_edge::HeadPrecision;
using lapa_edge::HeadShape;
using lapa_edge::HeadWeights;
using lapa_edge::LoopOptions;
using lapa_edge::Reading;

constexpr std::size_t kLatent = 40, kState = 7, kActions = 6, kChunk = 4, kWidth = 64;
constexpr std::size_t kTicks = 20'000;

/// Uniform in -1 to 1, the same numbers in every run.
class Random {
 public:
  explicit Random(std::uint64_t seed) : bits_(seed * 2654435769u + 1) {}

  float next() noexcept {
    bits_ = bits_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(static_cast<std::int32_t>(bits_ >> 32)) / 2147483648.0f;
  }

  void fill(std::vector<float>& values) noexcept {
    for (float& value : values) value = next();
  }

 private:
  std::uint64_t bits_;
};

inline ControlSpec build_spec() {
  return {kLatent,
          {std::vector<float>(kState, 0.1f), std::vector<float>(kState, 0.5f)},
          {std::vector<float>(kActions, 0.05f), std::vector<float>(kActions, 0.4f)},
          std::vector<double>(kActions, -0.3),
          std::vector<double>(kActions, 0.3),
          std::vector<double>(kActions, 0.0),
          {{{1, 0}, {2, 3}}, {5}},  // two positions and a gripper among velocities
          {true, true, true},
          10.0,
          10.0,
          0.007,  // latents come every five ticks: a new one takes over on the way to the last
          1000.0};
}

inline Controller build_controller() {
  const ControlSpec spec = build_spec();
  const std::size_t input = spec.head_input(), output = kChunk * kActions;
  Random random(1);
  std::vector<std::vector<float>> kept;
  kept.reserve(12);  // their addresses are borrowed
  const auto layer = [&](std::size_t outputs, std::size_t inputs) -> DenseWeights {
    std::vector<float>& weight = kept.emplace_back(outputs * inputs);
    random.fill(weight);
    for (float& value : weight) value *= 2 / std::sqrt(static_cast<float>(inputs));
    std::vector<float>& bias = kept.emplace_back(outputs);
    random.fill(bias);
    return {weight.data(), bias.data()};
  };
  HeadWeights weights;
  weights.input = layer(kWidth, input);
  for (int block = 0; block < 2; ++block) {
    weights.up.push_back(layer(kWidth, kWidth));
    weights.down.push_back(layer(kWidth, kWidth));
  }
  weights.output = layer(output, kWidth);
  HeadShape shape{};
  shape.input = input, shape.output = output, shape.width = kWidth, shape.blocks = 2;
  return Controller(spec, ActionHead(shape, weights, HeadPrecision::f32, kLatent));
}

inline LoopOptions options() {
  return {1000, 200e-6, {}};
}

inline void send(lapa_edge::TripleBuffer<Reading>& mailbox, Random& random, double seen_at_s) {
  random.fill(mailbox.back().values);
  mailbox.back().seen_at_s = seen_at_s;
  mailbox.publish();
}

/// New inputs: a state each time, a latent every fifth, and sometimes an old or a timeless one.
inline void feed(ControlCycle& cycle, Random& random, std::size_t i, double now_s) {
  if (i % 5 == 0) send(cycle.latents(), random, i % 35 == 0 ? now_s - 20 : now_s);
  send(cycle.states(), random, i % 11 == 0 ? std::nan("") : now_s);
}

/// Whether every way to end that `feed` calls for was met, lest a proof be about idle ticks.
inline bool met_all(const ControlCycle& cycle) {
  const auto met = [&](lapa_edge::Status status) { return cycle.ticks_with(status) > 10; };
  return met(lapa_edge::Status::moving) && met(lapa_edge::Status::latent_too_old) &&
         met(lapa_edge::Status::state_time_not_past);
}

/// 20,000 ticks of simulated time, `step` in the middle of each.
template <typename Step>
bool run_ticks(ControlCycle& cycle, Step step) {
  Random random(2);
  for (std::size_t i = 0; i < kTicks; ++i) {
    const double now_s = 1e-3 * static_cast<double>(i);
    feed(cycle, random, i, now_s);
    cycle.take_latent(now_s);
    cycle.take_state();
    cycle.rehearse(now_s);
    step();
    cycle.act(now_s);
  }
  return met_all(cycle);
}

/// Feeds a running loop for 300 ms.
inline void feed_thread(ControlLoop& loop) {
  Random random(3);
  for (std::size_t i = 0; i < 300; ++i) {
    feed(loop.cycle(), random, i, lapa_edge::seconds(lapa_edge::now_ns()));
    usleep(1000);
  }
}

/// Every proof can also be asked for the opposite, so that a test sees it fail.
inline bool asked_to_break(int count, char** arguments) {
  return count > 1 && std::strcmp(arguments[1], "--break") == 0;
}

}  // namespace rig
