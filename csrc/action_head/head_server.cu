#include <chrono>
#include <stdexcept>
#include <vector>

#include "action_head/head_server.hpp"
#include "action_head/serve_kernels.cuh"
#include "action_head/team_choice.cuh"
#include "base/finite.hpp"
#include "cuda/device_buffer.cuh"
#include "cuda/host_memory.cuh"
#include "cuda/limits.cuh"
#include "cuda/mailbox.hpp"
#include "cuda/stream.cuh"

namespace lapa_edge::cuda {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kStay_s = 0.5;                   // of a resident kernel, see head_server.hpp
constexpr std::chrono::seconds kFirstAnswer{10};  // CUDA may load the kernel for it
constexpr std::chrono::seconds kFarewell{2};

Word read_shared(const Word* word) noexcept {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

void write_shared(Word* word, Word value) noexcept {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

Clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

struct HeadServer::State {
  State(const HeadShape& shape, const HeadWeights& weights, const HeadServing& serving)
      : input(shape.input),
        output(shape.output),
        persistent(serving.persistent),
        timeout(duration_of(serving.timeout_s)),
        team(choose_team(shape, serving.persistent)),
        words(mailbox_words(input, output)),
        mailbox(mailbox_at(words.host(), input, output)),
        slices(upload(pack_for_team(team.plan, weights))),
        exchange(team.plan.vector_floats()),
        answered(1) {
    exchange.clear();
    answered.clear();
    service.plan = team.plan;
    service.slices = slices.data();
    service.exchange = exchange.data();
    service.mailbox = mailbox_at(words.device(), input, output);
    service.answered = answered.data();
    if (persistent) {
      const double cycles_per_s = 1e3 * device_attribute(cudaDevAttrClockRate);
      service.cycles = static_cast<long long>(kStay_s * cycles_per_s);
    } else {
      graph = Graph(stream, [this] { check(launch_kernel(), "record action_head"); });
    }
  }

  static DeviceBuffer<float> upload(const std::vector<float>& values) {
    return DeviceBuffer<float>(values.data(), values.size());
  }

  cudaError_t launch_kernel() noexcept {
    return launch(team.kernel, team.launch, stream, service, launches);
  }

  // Sees to it that a kernel runs which will answer the mailbox.
  cudaError_t start() noexcept {
    if (!persistent) return graph.launch(stream);
    if (launches != read_shared(mailbox.left)) return cudaSuccess;  // the last one has not left
    ++launches;
    const cudaError_t error = launch_kernel();
    if (error != cudaSuccess) --launches;
    return error;
  }

  void request(const float* x) noexcept {
    ++number;
    for (std::size_t i = 0; i < input; ++i)
      write_shared(mailbox.request + i, word_of(x[i], number));
    owed = true;
  }

  bool has_answer(std::size_t o) const noexcept {
    return number_of(read_shared(mailbox.answer + o)) == number;
  }

  // Until the last request is answered; looks at least once.
  HeadStatus await_answer(Clock::time_point deadline) noexcept {
    for (std::size_t o = 0; o < output; ++o) {
      while (!has_answer(o)) {
        if (persistent && start() != cudaSuccess) return HeadStatus::device_failed;
        if (Clock::now() < deadline) continue;
        const cudaError_t state = cudaStreamQuery(stream);
        if (state == cudaErrorNotReady) return HeadStatus::device_silent;
        if (state != cudaSuccess) return HeadStatus::device_failed;
        // The kernel may have answered while the OS held this thread up, after its last look.
        if (has_answer(o)) break;
        // A resident one may have left before it saw the request; the next step starts another.
        const bool left = persistent && launches == read_shared(mailbox.left);
        return left ? HeadStatus::device_silent : HeadStatus::device_failed;
      }
    }
    owed = false;
    return HeadStatus::ok;
  }

  HeadStatus exchange_vectors(const float* x, float* y, Clock::duration patience) noexcept {
    const Clock::time_point deadline = Clock::now() + patience;
    if (owed) {  // an answer that came too late is dropped now; else the GPU is still at it
      const HeadStatus late = await_answer(Clock::now());
      if (late != HeadStatus::ok) return late;
    }
    request(x);
    if (start() != cudaSuccess) {
      --number;  // nobody has seen it
      owed = false;
      return HeadStatus::device_failed;
    }
    const HeadStatus status = await_answer(deadline);
    for (std::size_t o = 0; status == HeadStatus::ok && o < output; ++o) {
      y[o] = value_of(read_shared(mailbox.answer + o));
    }
    return status;
  }

  // False: something still runs, and freeing its memory would wait for it.
  bool leave() noexcept {
    write_shared(mailbox.stop, 1);
    const Clock::time_point deadline = Clock::now() + kFarewell;
    while (cudaStreamQuery(stream) == cudaErrorNotReady) {
      if (Clock::now() >= deadline) return false;
    }
    return true;
  }

  std::size_t input, output;
  bool persistent;
  Clock::duration timeout;
  TeamChoice team;
  Stream stream{Stream::Priority::urgent};  // before the policy's kernels
  MappedBuffer<Word> words;
  Mailbox mailbox;  // as the CPU sees it
  DeviceBuffer<float> slices, exchange;
  DeviceBuffer<std::uint32_t> answered;
  Service service{};
  Graph graph;
  std::uint32_t number = 0;    // of the last request
  std::uint32_t launches = 0;  // of a resident kernel
  bool owed = false;           // the last request has no answer yet
};

HeadServer::HeadServer(const HeadShape& shape, const HeadWeights& weights,
                       const HeadServing& serving)
    : state_(std::make_unique<State>(shape, weights, serving)) {
  const std::vector<float> x(shape.input);
  std::vector<float> y(shape.output);
  const HeadStatus status = state_->exchange_vectors(x.data(), y.data(), kFirstAnswer);
  if (status == HeadStatus::ok) return;
  const cudaError_t error = cudaGetLastError();
  if (!state_->leave()) state_.release();
  check(error, "run action_head");
  throw std::runtime_error("action head: the GPU did not answer within 10 s; is it busy?");
}

HeadServer::~HeadServer() {
  // A dead GPU would never give the memory back, and asking for it would never return.
  if (!state_->leave()) state_.release();
}

HeadResult HeadServer::step(const float* x, float* y) noexcept {
  const std::size_t bad_input = first_non_finite(x, state_->input);
  if (bad_input < state_->input) return {HeadStatus::input_not_finite, bad_input};
  const HeadStatus status = state_->exchange_vectors(x, y, state_->timeout);
  if (status != HeadStatus::ok) return {status, 0};
  const std::size_t bad_output = first_non_finite(y, state_->output);
  if (bad_output < state_->output) return {HeadStatus::output_not_finite, bad_output};
  return {HeadStatus::ok, 0};
}

}  // namespace lapa_edge::cuda
