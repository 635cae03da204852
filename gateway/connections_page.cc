#include "gateway/connections_page.h"

#include <nlohmann/json.hpp>

namespace pointsman::gateway {

std::string DumpConnections(const Engine::Connections& connections) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const ConnectionFacts& one : connections.shown) {
    list.push_back(Json{{"with", one.upstream ? "endpoint" : "client"},
                        {"remote", one.remote},
                        {"protocol", std::string(one.protocol)},
                        {"tls", one.tls},
                        {"requests", one.requests},
                        {"unsent_bytes", one.unsent_bytes},
                        {"worker", one.worker}});
  }
  const Json page{{"clients", connections.clients},
                  {"endpoints", connections.upstreams},
                  {"workers_without_answer", connections.mute},
                  {"connections", std::move(list)}};
  return page.dump(2) + "\n";
}

}  // namespace pointsman::gateway
