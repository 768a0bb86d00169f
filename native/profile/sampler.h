// Decides which allocations are sampled. Arithmetic only: no clock, no memory, no lock; one Sampler per thread.
//
// Decision. Points are scattered over the stream of allocated bytes of a thread with exponential gaps of mean R; an
// allocation of S bytes is sampled when a point falls into it, so with probability p = 1 - exp(-S/R), independently of
// every other allocation. A sample stands for S/p bytes and 1/p allocations. Sums of these are unbiased for any mix of
// sizes, also when R changes, because the R of the gap is kept with the sample.
//   R = 512 KiB:  S = 64 B -> p = 0.000122, stands for 512.03 KiB;  S = 512 KiB -> p = 0.632, 810 KiB;  S >= 2.5 MiB
//   -> 1.
// Allocations of at least kExactMeans * R are all recorded (p = 1) and take no part in the countdown. To notice them by
// the countdown alone it may never exceed that size: a longer gap is cut there and continued by a fresh draw, which
// changes nothing, since an exponential has no memory.
//
// The caller subtracts each size from `left` and asks Exhausted() when it became negative.
#ifndef EXTMEM_PROFILE_SAMPLER_H_
#define EXTMEM_PROFILE_SAMPLER_H_

#include <cmath>
#include <cstdint>

namespace extmem {

constexpr int64_t kExactMeans = 5;

inline double InclusionProbability(uint64_t size, uint64_t mean) {
  if (size >= static_cast<uint64_t>(kExactMeans) * mean) return 1;
  return -std::expm1(-static_cast<double>(size) / static_cast<double>(mean));
}

// What one sample adds to the totals. Pure, so that a free subtracts exactly what its allocation added.
struct Weight {
  int64_t bytes;
  int64_t count_256;      // allocations, in 1/256
  int64_t variance_kib2;  // Horvitz-Thompson: (S/p)^2 (1 - p), in KiB^2
};

inline Weight WeightOf(uint64_t size, uint64_t mean) {
  double p = InclusionProbability(size, mean);
  double bytes = static_cast<double>(size) / p;
  double kib = bytes / 1024;
  return {static_cast<int64_t>(bytes + 0.5), static_cast<int64_t>(256 / p + 0.5),
          static_cast<int64_t>(kib * kib * (1 - p) + 0.5)};
}

// All zero to begin with, and without initializers, which thread-local storage would have to run.
struct Sampler {
  int64_t left;        // bytes until the next point, or until the cut
  uint64_t random;     // xorshift64 state; 0 = this thread has not drawn yet
  int64_t mean_bytes;  // R of the gap that is counted down; negative while the gap is cut

  // Off: ask again after a while, so that a later start finds this thread.
  void Rest() {
    left = 64 << 10;
    mean_bytes = 0;
  }

  // Precondition: `size` was just subtracted and left < 0. `mean` > 0 is the R in force for new gaps, `seed` is used
  // once. Returns the R to keep with the sample, or 0 when the allocation is not sampled.
  uint64_t Exhausted(uint64_t size, uint64_t mean, uint64_t seed) {
    if (mean_bytes == 0) {
      // The first gap is random too, or threads that live shorter than one gap would be sampled wrongly.
      if (random == 0) random = seed | 1;
      Draw(mean);
      left -= static_cast<int64_t>(size);
      if (left >= 0) return 0;
    }
    uint64_t own_mean = Mean();
    if (size >= static_cast<uint64_t>(kExactMeans) * own_mean) {
      left += static_cast<int64_t>(size);
      return own_mean;
    }
    while (left < 0) {
      if (mean_bytes > 0) {
        Draw(mean);
        return own_mean;
      }
      int64_t owed = left;
      Draw(own_mean);
      left += owed;
    }
    return 0;
  }

 private:
  uint64_t Mean() const { return static_cast<uint64_t>(mean_bytes < 0 ? -mean_bytes : mean_bytes); }

  void Draw(uint64_t mean) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    double uniform = static_cast<double>((random >> 11) + 1) * (1.0 / 9007199254740993.0);  // in (0, 1)
    double gap = -std::log1p(uniform - 1) * static_cast<double>(mean);
    double cut = static_cast<double>(kExactMeans) * static_cast<double>(mean) - 1;
    mean_bytes = static_cast<int64_t>(mean);
    if (gap > cut) {
      gap = cut;
      mean_bytes = -mean_bytes;
    }
    left = static_cast<int64_t>(gap);
  }
};

}  // namespace extmem

#endif  // EXTMEM_PROFILE_SAMPLER_H_
