#include "control_loop/control_loop.hpp"

#include <pybind11/stl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/finite.hpp"
#include "bindings/arrays.hpp"
#include "bindings/bound_head.hpp"
#include "bindings/gil.hpp"
#include "bindings/head_weights.hpp"
#include "bindings/register.hpp"

namespace lapa_edge::bindings {
namespace {

std::string number(double value) {
  return py::str(py::float_(value)).cast<std::string>();
}

void check_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) {  // NaN is refused
    refuse(name, number(low) + " to " + number(high), number(value));
  }
}

void check_age(const char* name, double age_s) {
  if (!(age_s > 0 && std::isfinite(age_s))) refuse(name, "a finite time above 0 s", number(age_s));
}

template <typename T>
void check_values(const char* name, const std::vector<T>& values, std::size_t count) {
  if (values.size() != count) {
    refuse(name, std::to_string(count) + " values", std::to_string(values.size()));
  }
  for (const T value : values) {
    if (!std::isfinite(value)) refuse(name, "finite values", number(value));
  }
}

void check_scale(const char* mean_name, const char* std_name, const Scale& scale) {
  check_values(mean_name, scale.mean, scale.mean.size());
  check_values(std_name, scale.std, scale.mean.size());
  for (const float std : scale.std) {
    if (!(std > 0)) refuse(std_name, "values above 0", number(std));
  }
}

void check_index(const char* name, std::size_t index, std::size_t count) {
  if (index >= count) {
    refuse(name, "an index below " + std::to_string(count), std::to_string(index));
  }
}

void check_stops(const StopKinds& stops, std::size_t a, std::size_t s) {
  std::vector<bool> told(a);
  const auto check_action = [&](const char* name, std::size_t action) {
    check_index(name, action, a);
    if (told[action]) {
      refuse(name, "one way to stop each action",
             "a second one of action " + std::to_string(action));
    }
    told[action] = true;
  };
  for (const auto& [action, state] : stops.holds) {
    check_action("holds, action", action);
    check_index("holds, state", state, s);
  }
  for (const std::size_t action : stops.grippers) check_action("grippers", action);
}

void check_spec(const ControlSpec& spec) {
  const std::size_t a = spec.action.mean.size();
  if (a == 0) refuse("action_mean", "at least one action", "none");
  check_scale("state_mean", "state_std", spec.state);
  check_scale("action_mean", "action_std", spec.action);
  check_values("action_low", spec.low, a);
  check_values("action_high", spec.high, a);
  check_values("action_stop", spec.stop, a);
  for (std::size_t i = 0; i < a; ++i) {
    if (!(spec.low[i] <= spec.high[i])) {
      refuse("action_low", "at most action_high, " + number(spec.high[i]), number(spec.low[i]));
    }
    if (!(spec.low[i] <= spec.stop[i] && spec.stop[i] <= spec.high[i])) {
      refuse("action_stop", number(spec.low[i]) + " to " + number(spec.high[i]),
             number(spec.stop[i]));
    }
  }
  check_stops(spec.stops, a, spec.state.mean.size());
  check_age("max_latent_age_s", spec.max_latent_age_s);
  check_age("max_state_age_s", spec.max_state_age_s);
  check_range("blend_s", spec.blend_s, 0, spec.max_latent_age_s);
}

void check_options(const LoopOptions& options) {
  check_range("rate_hz", options.rate_hz, kMinRateHz, kMaxRateHz);
  check_range("early_wake_s", options.early_wake_s, 0, 0.5 / options.rate_hz);
  check_range("priority", options.thread.priority, 0, 99);
}

// The head and the spec must be of one bundle.
void check_head(const HeadShape& shape, const ControlSpec& spec) {
  const std::size_t s = spec.state.mean.size(), a = spec.action.mean.size();
  if (shape.input != spec.head_input()) {
    const HeadParts& parts = spec.parts;
    std::string words =
        "latent and context " + std::to_string(spec.latent) + ", state " + std::to_string(s);
    if (parts.last_action) words += ", last action " + std::to_string(a);
    if (parts.latent_age) words += ", age 1";
    if (parts.chunk_index) words += ", chunk index 1";
    refuse("weights",
           "an action head of " + std::to_string(spec.head_input()) + " inputs (" + words + ")",
           "one of " + std::to_string(shape.input), "pass the head and the spec of one bundle");
  }
  if (shape.output % a != 0) {
    refuse("weights", "an action head whose outputs are actions of " + std::to_string(a),
           "one of " + std::to_string(shape.output) + " outputs",
           "pass the head and the spec of one bundle");
  }
}

// A command as Python reads it.
struct BoundCommand {
  py::array_t<float> action, standstill;
  std::string status;
  std::uint32_t where, clamped;
  std::int64_t tick;
  double ticked_at_s, latent_age_s, state_age_s;
  bool sendable;
};

using Distribution = std::pair<py::array_t<std::int64_t>, std::int64_t>;

Distribution read(const Histogram& histogram) {
  py::array_t<std::int64_t> counts(Histogram::kBuckets);
  for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
    counts.mutable_at(i) = histogram.count(i);
  }
  return {counts, histogram.max()};
}

// Held by one thread of this process; a forked child begins with a free one, whoever held it when
// the parent forked.
class ProcessMutex {
 public:
  /// The caller holds the GIL, so no two threads come here at once.
  std::mutex& here() {
    if (owner_ != getpid()) {
      mutex_.release();  // not destroyed: it may be locked, by a thread that is not in this process
      mutex_ = std::make_unique<std::mutex>();
      owner_ = getpid();
    }
    return *mutex_;
  }

 private:
  std::unique_ptr<std::mutex> mutex_;
  pid_t owner_ = 0;
};

// The loop as Python sees it. The GIL makes Python one writer and one reader of the mailboxes; the
// mutex orders start, stop and step, which wait without the GIL. The loop's thread takes neither.
class BoundControlLoop {
 public:
  BoundControlLoop(const ControlSpec& spec, ActionHead head, const LoopOptions& options)
      : loop_(Controller(spec, std::move(head)), options) {}

  void start() {
    std::mutex& mutex = mutex_.here();
    const GilReleased released;
    const std::lock_guard<std::mutex> lock(mutex);
    check_stopped("start");
    check_waiting_inputs();
    const std::string refusal = loop_.start();
    if (!refusal.empty()) throw std::runtime_error(refusal);
  }

  void stop() {
    std::mutex& mutex = mutex_.here();
    const GilReleased released;
    const std::lock_guard<std::mutex> lock(mutex);
    if (!loop_.running()) {
      throw std::runtime_error(
          "stop: expected a running control loop, got one that is not; call start first");
    }
    loop_.stop();
  }

  BoundCommand step(double now_s) {
    // The command is read while no other thread can step. Nobody waits for the lock with the GIL.
    std::unique_lock<std::mutex> lock(mutex_.here(), std::defer_lock);
    {
      const GilReleased released;
      lock.lock();
    }
    check_stopped("step");
    loop_.cycle().take_latent(now_s);
    loop_.cycle().take_state();
    loop_.cycle().act(now_s);
    return latest_action();
  }

  void reset(double now_s) {
    std::mutex& mutex = mutex_.here();
    const GilReleased released;
    const std::lock_guard<std::mutex> lock(mutex);
    check_stopped("reset");
    loop_.cycle().finish(now_s);
  }

  bool running() {
    std::mutex& mutex = mutex_.here();
    const GilReleased released;
    const std::lock_guard<std::mutex> lock(mutex);
    return loop_.running();
  }

  void set_latent(const py::array& values, double seen_at_s) {
    send("latent", values, seen_at_s, loop_.cycle().latents());
  }

  void set_observation(const py::array& state, double seen_at_s) {
    send("state", state, seen_at_s, loop_.cycle().states());
  }

  BoundCommand latest_action() {
    // Allocated first: numpy may let another Python thread run, which must not take in between.
    const auto a = static_cast<py::ssize_t>(loop_.cycle().spec().action.mean.size());
    py::array_t<float> action(a), standstill(a);
    TripleBuffer<Command>& commands = loop_.cycle().commands();
    commands.take();
    const Command& command = commands.front();
    const Decision& decision = command.decision;
    std::copy(command.action.begin(), command.action.end(), action.mutable_data());
    std::copy(command.standstill.begin(), command.standstill.end(), standstill.mutable_data());
    return {std::move(action),
            std::move(standstill),
            kStatusNames[static_cast<std::size_t>(decision.status)],
            decision.where,
            decision.clamped,
            command.tick,
            command.ticked_at_s,
            decision.latent_age_s,
            decision.state_age_s,
            command.sendable};
  }

  py::dict stats() const {
    const LoopTimes& times = loop_.times();
    py::dict statuses, stats;
    for (std::size_t i = 0; i < kStatuses; ++i) {
      statuses[kStatusNames[i]] = loop_.cycle().ticks_with(static_cast<Status>(i));
    }
    stats["ticks"] = times.ticks.get();
    stats["skipped"] = times.skipped.get();
    stats["late"] = times.late.get();
    stats["statuses"] = statuses;
    stats["lateness_ns"] = read(times.lateness);
    stats["execution_ns"] = read(times.execution);
    stats["latent_age_ns"] = read(times.latent_age);
    return stats;
  }

 private:
  // What is sent at control rate may not be copied or converted on the way.
  static void send(const char* name, const py::array& array, double seen_at_s,
                   TripleBuffer<Reading>& mailbox) {
    Reading& reading = mailbox.back();
    check_vector(name, array, reading.values.size());
    const auto* values = static_cast<const float*>(array.data());
    std::copy(values, values + array.size(), reading.values.begin());
    reading.seen_at_s = seen_at_s;
    mailbox.publish();
  }

  void check_stopped(const std::string& verb) const {
    if (loop_.running()) {
      throw std::runtime_error(verb +
                               ": expected a control loop that is not running, got one that "
                               "is; call stop first");
    }
  }

  // Once it runs, such inputs stop the robot; before that they are somebody's mistake.
  void check_waiting_inputs() {
    ControlCycle& cycle = loop_.cycle();
    cycle.take_latent(0);  // nothing has driven yet, so no time counts
    cycle.take_state();
    check_finite("latent", cycle.latent());
    check_finite("state", cycle.state());
  }

  static void check_finite(const std::string& name, const Reading* reading) {
    if (reading == nullptr) return;
    const std::size_t bad = first_non_finite(reading->values.data(), reading->values.size());
    if (bad < reading->values.size()) {
      refuse(name, "finite values", "NaN or infinity at index " + std::to_string(bad));
    }
    if (!std::isfinite(reading->seen_at_s)) {
      refuse(name + " seen_at_s", "a finite time", "NaN or infinity");
    }
  }

  ControlLoop loop_;
  ProcessMutex mutex_;
};

std::unique_ptr<BoundControlLoop> build(
    const py::dict& weights, const std::string& precision,
    const std::optional<py::dict>& calibration, std::size_t latent, std::vector<float> state_mean,
    std::vector<float> state_std, std::vector<float> action_mean, std::vector<float> action_std,
    std::vector<double> action_low, std::vector<double> action_high,
    std::vector<double> action_stop, std::vector<std::pair<std::size_t, std::size_t>> holds,
    std::vector<std::size_t> grippers, bool last_action, bool latent_age, bool chunk_index,
    double max_latent_age_s, double max_state_age_s, double blend_s, double rate_hz,
    double early_wake_s, int priority, std::optional<int> cpu, bool lock_memory) {
  const ControlSpec spec{latent,
                         {std::move(state_mean), std::move(state_std)},
                         {std::move(action_mean), std::move(action_std)},
                         std::move(action_low),
                         std::move(action_high),
                         std::move(action_stop),
                         {std::move(holds), std::move(grippers)},
                         {last_action, latent_age, chunk_index},
                         max_latent_age_s,
                         max_state_age_s,
                         blend_s,
                         rate_hz};
  check_spec(spec);
  const LoopOptions options{rate_hz, early_wake_s, {priority, cpu, lock_memory}};
  check_options(options);
  check_head(CheckedWeights(weights).shape(), spec);
  BoundActionHead head(weights, precision, calibration, static_cast<py::ssize_t>(latent), "cpu");
  return std::make_unique<BoundControlLoop>(spec, std::move(*head.on_cpu()), options);
}

py::array_t<std::int64_t> histogram_ends() {
  py::array_t<std::int64_t> ends(Histogram::kBuckets);
  for (std::size_t i = 0; i < Histogram::kBuckets; ++i) ends.mutable_at(i) = Histogram::end_of(i);
  return ends;
}

}  // namespace

void register_control_loop(py::module_& module) {
  using Loop = BoundControlLoop;
  py::class_<BoundCommand>(module, "ControlCommand")
      .def_readonly("action", &BoundCommand::action)
      .def_readonly("standstill", &BoundCommand::standstill)
      .def_readonly("status", &BoundCommand::status)
      .def_readonly("where", &BoundCommand::where)
      .def_readonly("clamped", &BoundCommand::clamped)
      .def_readonly("tick", &BoundCommand::tick)
      .def_readonly("ticked_at_s", &BoundCommand::ticked_at_s)
      .def_readonly("latent_age_s", &BoundCommand::latent_age_s)
      .def_readonly("state_age_s", &BoundCommand::state_age_s)
      .def_readonly("sendable", &BoundCommand::sendable);
  py::class_<Loop>(module, "ControlLoop")
      .def(py::init(&build), py::arg("weights"), py::kw_only(), py::arg("precision") = "f32",
           py::arg("calibration") = py::none(), py::arg("latent"), py::arg("state_mean"),
           py::arg("state_std"), py::arg("action_mean"), py::arg("action_std"),
           py::arg("action_low"), py::arg("action_high"), py::arg("action_stop"),
           py::arg("holds") = py::tuple(), py::arg("grippers") = py::tuple(),
           py::arg("last_action") = true, py::arg("latent_age") = true,
           py::arg("chunk_index") = false, py::arg("max_latent_age_s"), py::arg("max_state_age_s"),
           py::arg("blend_s") = 0.0, py::arg("rate_hz"), py::arg("early_wake_s"),
           py::arg("priority") = 0, py::arg("cpu") = py::none(), py::arg("lock_memory") = false)
      .def("start", &Loop::start)
      .def("stop", &Loop::stop)
      .def("step", &Loop::step, py::arg("now_s"))
      .def("reset", &Loop::reset, py::arg("now_s"))
      .def_property_readonly("running", &Loop::running)
      .def("set_latent", &Loop::set_latent, py::arg("values"), py::arg("seen_at_s"))
      .def("set_observation", &Loop::set_observation, py::arg("state"), py::arg("seen_at_s"))
      .def("latest_action", &Loop::latest_action)
      .def("stats", &Loop::stats);
  module.def("histogram_ends", &histogram_ends);
}

}  // namespace lapa_edge::bindings
