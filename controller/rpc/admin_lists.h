#pragma once

// Pages of lists that lie in memory: ordered by name, cut after the page's size. Thread-safe (no
// state).

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "common/core/status_macros.h"
#include "controller/rpc/admin_pages.h"

namespace pointsman::controller {

// The part of `sorted` that belongs on the page: [begin, end), and the token of the next page.
// `sorted` is ordered by name(). Errors: as PageSize and ParsePageToken. O(log n).
struct PageRange {
  size_t begin = 0;
  size_t end = 0;
  std::string next_page_token;
};
template <typename Sorted>
absl::StatusOr<PageRange> CutPage(const Sorted& sorted, int32_t page_size,
                                  absl::string_view page_token) {
  PM_ASSIGN_OR_RETURN(const uint32_t size, PageSize(page_size));
  PM_ASSIGN_OR_RETURN(const std::string after, ParsePageToken(page_token));
  const auto first = std::upper_bound(
      sorted.begin(), sorted.end(), after,
      [](const std::string& name, const auto& item) { return name < item.name(); });
  PageRange range;
  range.begin = static_cast<size_t>(first - sorted.begin());
  range.end = std::min(range.begin + size, static_cast<size_t>(sorted.size()));
  if (range.end < static_cast<size_t>(sorted.size())) {
    range.next_page_token = PageToken((sorted.begin() + (range.end - 1))->name());
  }
  return range;
}

// Sorts, cuts and moves the page into `out` (a repeated field), and sets the response's token.
template <typename Request, typename Item, typename Response, typename Out>
absl::Status FillPage(const Request& request, std::vector<Item> items, Response* response,
                      Out* out) {
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return a.name() < b.name(); });
  PM_ASSIGN_OR_RETURN(PageRange range, CutPage(items, request.page_size(), request.page_token()));
  for (size_t i = range.begin; i < range.end; ++i) *out->Add() = std::move(items[i]);
  response->set_next_page_token(std::move(range.next_page_token));
  return absl::OkStatus();
}

}  // namespace pointsman::controller
