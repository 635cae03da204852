#include "gateway/core/local_outliers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace pointsman::gateway {
namespace {

using Buckets = std::array<uint64_t, kCellLatencyBuckets>;

double Share(uint64_t part, uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

// How many standard deviations of a difference that chance makes lie between the two shares.
double Significance(uint64_t part, uint64_t all, uint64_t others_part, uint64_t others_all) {
  const double usual = Share(part + others_part, all + others_all);
  const double variance =
      usual * (1 - usual) * (1 / static_cast<double>(all) + 1 / static_cast<double>(others_all));
  if (variance <= 0) return 0;
  return (Share(part, all) - Share(others_part, others_all)) / std::sqrt(variance);
}

// What may still be taken out.
class Room {
 public:
  explicit Room(std::span<const OutlierSample> samples)
      : left_(LocalOutliers::OutMax(samples.size())) {
    for (const OutlierSample& sample : samples) {
      weight_ += sample.weight;
      if (sample.out) Take(sample);
    }
  }
  bool Has(const OutlierSample& sample) const {
    return left_ > 0 && (out_ + sample.weight) * 2 <= weight_;
  }
  void Take(const OutlierSample& sample) {
    left_ -= std::min<size_t>(left_, 1);
    out_ += sample.weight;
  }

 private:
  size_t left_;
  uint64_t weight_ = 0;
  uint64_t out_ = 0;
};

// Indices by descending `score`, the first of equal ones first.
template <typename Score>
std::vector<size_t> WorstFirst(size_t count, Score score) {
  std::vector<double> scores(count);
  for (size_t i = 0; i < count; ++i) scores[i] = score(i);
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&scores](size_t a, size_t b) { return scores[a] > scores[b]; });
  return order;
}

void FindFailing(std::span<const OutlierSample> samples, Room* room,
                 std::vector<OutlierVerdict>* verdicts) {
  uint64_t tries = 0;
  uint64_t failures = 0;
  size_t judged = 0;  // With enough tries.
  for (const OutlierSample& sample : samples) {
    if (sample.out) continue;
    tries += sample.tries;
    failures += sample.failures;
    if (sample.tries >= LocalOutliers::kTriesMin) ++judged;
  }
  if (failures < LocalOutliers::kFailuresMin) return;
  const auto share = [samples](size_t i) { return Share(samples[i].failures, samples[i].tries); };
  for (const size_t i : WorstFirst(samples.size(), share)) {
    const OutlierSample& sample = samples[i];
    if (sample.out || sample.tries < LocalOutliers::kTriesMin) continue;
    if (judged <= LocalOutliers::kOthersMin) return;
    const uint64_t others = tries - sample.tries;
    const uint64_t others_failures = failures - sample.failures;
    if (share(i) < Share(others_failures, others) + LocalOutliers::kFailureExcess) continue;
    if (sample.failures < LocalOutliers::kFailuresMin || !room->Has(sample)) continue;
    if (Significance(sample.failures, sample.tries, others_failures, others) <
        LocalOutliers::kSignificance) {
      continue;
    }
    (*verdicts)[i].outlier = Outlier::kFailing;
    room->Take(sample);
    tries = others;
    failures = others_failures;
    --judged;
  }
}

uint64_t AnswersOf(const OutlierSample& sample) {
  return std::accumulate(sample.latency_buckets.begin(), sample.latency_buckets.end(), uint64_t{0});
}

double MeanOf(const OutlierSample& sample) {
  const uint64_t answers = AnswersOf(sample);
  return answers == 0 ? 0 : static_cast<double>(sample.latency_sum_micros) / answers;
}

// The answers of some endpoints, to compare one of them with the others.
struct Peers {
  std::vector<double> means;  // Ascending, once Sort() was called.
  Buckets buckets = {};

  void Add(const OutlierSample& sample) {
    means.push_back(MeanOf(sample));
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += sample.latency_buckets[i];
  }
  void Sort() { std::sort(means.begin(), means.end()); }
  // Without one whose mean is `own`. The upper of two: in doubt nobody is slow.
  double MedianWithout(double own) const {
    const size_t others = means.size() - 1;
    const auto place =
        static_cast<size_t>(std::lower_bound(means.begin(), means.end(), own) - means.begin());
    const size_t middle = others / 2;
    return means[middle < place ? middle : middle + 1];
  }
  bool enough() const { return means.size() > LocalOutliers::kOthersMin; }
};

// The bucket in which the median of the others' answers lies.
size_t MedianBucketWithout(const Peers& peers, const OutlierSample& own) {
  const uint64_t all =
      std::accumulate(peers.buckets.begin(), peers.buckets.end(), uint64_t{0}) - AnswersOf(own);
  uint64_t below = 0;
  for (size_t i = 0; i < peers.buckets.size(); ++i) {
    below += peers.buckets[i] - own.latency_buckets[i];
    if (below * 2 >= all) return i;
  }
  return peers.buckets.size() - 1;
}

bool IsSlow(const OutlierSample& sample, const Peers& peers, absl::Duration floor) {
  const double mean = MeanOf(sample);
  const double usual = peers.MedianWithout(mean);
  if (mean < usual * LocalOutliers::kSlowFactor) return false;
  if (mean < usual + absl::ToDoubleMicroseconds(floor)) return false;
  uint64_t slow = 0;
  for (size_t i = MedianBucketWithout(peers, sample) + 2; i < kCellLatencyBuckets; ++i) {
    slow += sample.latency_buckets[i];
  }
  return Share(slow, AnswersOf(sample)) > LocalOutliers::kSlowShare;
}

// Those whose answers are compared.
class Latencies {
 public:
  Latencies(std::span<const OutlierSample> samples, const std::vector<OutlierVerdict>& verdicts) {
    for (size_t i = 0; i < samples.size(); ++i) {
      const OutlierSample& sample = samples[i];
      weight_ += sample.weight;
      if (sample.out || verdicts[i].outlier != Outlier::kNone) continue;
      if (AnswersOf(sample) < LocalOutliers::kTriesMin) continue;
      compared_.push_back(i);
      all_.Add(sample);
      near_[sample.locality].Add(sample);
    }
    all_.Sort();
    for (auto& [locality, peers] : near_) peers.Sort();
    weight_mean_ = static_cast<double>(weight_) / static_cast<double>(samples.size());
  }

  // By position in the samples.
  const std::vector<size_t>& compared() const { return compared_; }
  bool Slow(const OutlierSample& sample) const {
    if (static_cast<double>(sample.weight) * 2 < weight_mean_) return false;
    const Peers& near = near_.at(sample.locality);
    if (near.enough()) return IsSlow(sample, near, LocalOutliers::kSlowFloor);
    return all_.enough() && IsSlow(sample, all_, LocalOutliers::kSlowFloorElsewhere);
  }

 private:
  uint64_t weight_ = 0;
  double weight_mean_ = 0;
  std::vector<size_t> compared_;
  Peers all_;
  std::map<uint32_t, Peers> near_;  // By locality.
};

void FindSlow(std::span<const OutlierSample> samples, Room* room,
              std::vector<OutlierVerdict>* verdicts) {
  const Latencies latencies(samples, *verdicts);
  const std::vector<size_t>& compared = latencies.compared();
  const auto mean = [&](size_t k) { return MeanOf(samples[compared[k]]); };
  for (const size_t k : WorstFirst(compared.size(), mean)) {
    const OutlierSample& sample = samples[compared[k]];
    if (!latencies.Slow(sample)) continue;
    OutlierVerdict& verdict = (*verdicts)[compared[k]];
    const bool found = sample.suspect && room->Has(sample);
    verdict.slow = !found;
    if (!found) continue;
    verdict.outlier = Outlier::kSlow;
    room->Take(sample);
  }
}

}  // namespace

std::vector<OutlierVerdict> LocalOutliers::Judge(std::span<const OutlierSample> samples) {
  std::vector<OutlierVerdict> verdicts(samples.size());
  if (OutMax(samples.size()) == 0) return verdicts;
  Room room(samples);
  FindFailing(samples, &room, &verdicts);
  FindSlow(samples, &room, &verdicts);
  return verdicts;
}

}  // namespace pointsman::gateway
