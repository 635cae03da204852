// Upgrades: the part of a stream that keeps a client's early bytes until an endpoint has agreed to
// change the protocol, and ends the tunnel it then is (docs/design/upgrades.md).

#include <utility>

#include "gateway/http/upgrade.h"
#include "gateway/proxy/stream.h"

namespace pointsman::gateway {

// A request that is not followed goes on without its Upgrade; an extended CONNECT has nothing else
// to be. Nor is gRPC changed into anything: its answers are read as messages.
Reason Stream::TakeUpgrade(const RouteEntry& route) {
  if (request_.protocols.size == 0) return Reason::kNone;
  if (!grpc_) ChooseUpgrade(route.upgrades, &request_);
  if (request_.upgrade == Upgrade::kWebSocket) GiveKey();
  const bool refused = request_.upgrade == Upgrade::kNone && request_.extended_connect;
  return refused ? Reason::kUpgradeRefused : Reason::kNone;
}

// An extended CONNECT has no key, but an HTTP/1 endpoint wants one. All tries use the same.
void Stream::GiveKey() {
  HeaderBlock& block = request_.block;
  if (!WebSocketKeyOf(block).empty()) return;
  const WebSocketKey key = MakeWebSocketKey(context_->random);
  constexpr absl::string_view kName = "sec-websocket-key";
  Field field;
  field.token = FieldToken::kSecWebSocketKey;
  field.name =
      TextRef{static_cast<uint32_t>(block.text_size()), static_cast<uint32_t>(kName.size())};
  block.AppendText(kName);
  field.value =
      TextRef{static_cast<uint32_t>(block.text_size()), static_cast<uint32_t>(key.size())};
  block.AppendText(absl::string_view(key.data(), key.size()));
  block.AddField(field);
}

// No credit is given for these bytes, so the stream's window bounds them. Behind an answer that
// refused the upgrade nobody wants them.
void Stream::HoldEarly(const Slice& data) {
  if (phase_ == Phase::kResponding) return;
  if (context_->BuffersOverfull()) return Fail(Reason::kBuffersFull);
  replay_.Append(data);
}

bool Stream::OnUpgradeAnswer() {
  if (response_->switched) {
    BeginTunnel();
    return true;
  }
  // A 2xx tells whoever sent CONNECT that the tunnel stands.
  if (request_.extended_connect && response_->status >= 200 && response_->status < 300) {
    Fail(Reason::kUpgradeUnsupported);
    return true;
  }
  return false;
}

void Stream::BeginTunnel() {
  phase_ = Phase::kResponding;
  status_ = response_->status;
  tunnel_ = true;
  context_->counters.tunnels.Add();
  context_->counters.tunnels_opened.Add();
  // The request was complete; what the client sends now is not part of it.
  request_ended_ = false;
  client_->SendHead(*response_, /*end=*/false, /*request_ended=*/true);
  for (const Slice& slice : replay_.slices()) upstream_->SendData(slice);
  replay_.Clear();
  ArmDeadline();
  if (early_end_) return OnRequestEnd();
  UpdateRequestCredit();
}

void Stream::FinishTunnelIfDone() {
  progress_ = context_->loop.Now();
  // The connection to the endpoint is closed with the stream; the client's flushes by itself.
  waits_for_upstream_ = request_ended_ && upstream_->UnsentBytes() > 0;
  if (!request_ended_ || !response_ended_ || waits_for_upstream_) return;
  EndTry(TryOutcome::kResponse, /*clean=*/false);
  Finish();
}

}  // namespace pointsman::gateway
