#pragma once

// Routes as text for people. Pure functions of messages; thread-safe.

#include <string>

#include "pointsman/v1/route.pb.h"

namespace pointsman::cli {

// "/users/{id} GET x-canary: ?beta json/model=small", as tables show it; "all" without conditions.
std::string MatchText(const v1::RouteMatch& match);
// "services/web", "split web 90, web-next 10", "redirect 308 https", "answer 404", with what else
// happens to requests: "services/web, rewritten, mirror shadow 5%".
std::string ActionText(const v1::Route& route);
// "200/s burst 400, buffered"; empty: no limit.
std::string LimitText(const v1::Route& route);

}  // namespace pointsman::cli
