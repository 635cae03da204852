#include "tests/clients/grpc_checks.h"

#include <chrono>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "echo.grpc.pb.h"

namespace pointsman::testing {
namespace {

constexpr std::chrono::seconds kPatience{20};

// One client; a check returns what was wrong.
class Client {
 public:
  Client(const std::shared_ptr<grpc::Channel>& channel, std::string key)
      : stub_(Echo::NewStub(channel)), key_(std::move(key)) {}

  std::string Metadata();
  std::string LargeMessages();
  std::string EveryStatus();
  std::string ClientStreams();
  std::string ServerStreams();
  std::string EachMessageAtOnce();
  std::string ManyAtOnce();
  std::string UnaryIsCancelled();
  std::string StreamIsCancelled();
  std::string DeadlineIsTold();
  std::string DeadlineIsKept();

 private:
  struct Call : grpc::ClientContext {
    explicit Call(std::chrono::milliseconds patience = kPatience) {
      set_deadline(std::chrono::system_clock::now() + patience);
    }
  };

  static EchoRequest Request(std::string text) {
    EchoRequest request;
    request.set_text(std::move(text));
    return request;
  }
  // What became of the call with this text, as the server saw it.
  std::string Await(const std::string& text, bool cancelled);

  std::unique_ptr<Echo::Stub> stub_;
  std::string key_;
};

std::string Describe(const grpc::Status& status) {
  return status.ok() ? ""
                     : absl::StrCat("status ", status.error_code(), ": ", status.error_message());
}

std::string Client::Await(const std::string& text, bool cancelled) {
  Call call;
  AwaitRequest request;
  request.set_text(text);
  request.set_cancelled(cancelled);
  EchoReply reply;
  const grpc::Status status = stub_->Await(&call, request, &reply);
  if (status.ok()) return "";
  return absl::StrCat(cancelled ? "not cancelled" : "not begun", ": ", Describe(status));
}

std::string Client::Metadata() {
  Call call;
  call.AddMetadata("x-ask", "a value, with a comma");
  const std::string bytes("\0\x01\xff\x80 bytes", 10);
  call.AddMetadata("x-ask-bin", bytes);
  EchoReply reply;
  const std::string text = "gr\xc3\xbc\xc3\x9f";
  const grpc::Status status = stub_->Say(&call, Request(text), &reply);
  if (!status.ok()) return Describe(status);
  if (reply.text() != text) return "another text came back";
  const auto& head = call.GetServerInitialMetadata();
  const auto heard = head.find("x-heard");
  if (heard == head.end() || heard->second != "a value, with a comma") return "no initial metadata";
  const auto& trailers = call.GetServerTrailingMetadata();
  const auto trailer = trailers.find("x-heard-bin");
  if (trailer == trailers.end() || trailer->second != bytes) return "no trailing metadata";
  return "";
}

std::string Client::LargeMessages() {
  for (bool compressed : {false, true}) {
    Call call;
    if (compressed) call.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    std::string text;
    for (int i = 0; text.size() < (8u << 20); ++i) absl::StrAppend(&text, i, ",");
    EchoReply reply;
    const grpc::Status status = stub_->Say(&call, Request(text), &reply);
    if (!status.ok()) return Describe(status);
    if (reply.text() != text) return "8 MiB came back changed";
  }
  return "";
}

std::string Client::EveryStatus() {
  for (int code = 1; code <= 16; ++code) {
    Call call;
    EchoRequest request = Request(absl::StrCat("100 % n\xc3\xb6\n", code));
    request.set_code(code);
    EchoReply reply;
    const grpc::Status status = stub_->Say(&call, request, &reply);
    if (status.error_code() != code || status.error_message() != request.text() ||
        status.error_details() != request.text()) {
      return absl::StrCat("instead of ", code, ": ", Describe(status));
    }
  }
  return "";
}

std::string Client::ClientStreams() {
  Call call;
  EchoReply reply;
  const auto writer = stub_->Collect(&call, &reply);
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    const std::string text(i % 700, static_cast<char>('a' + i % 26));
    if (!writer->Write(Request(text))) break;
    all += text;
  }
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return Describe(status);
  return reply.text() == all ? "" : "another text came back";
}

std::string Client::ServerStreams() {
  Call call;
  EchoRequest request = Request(std::string(10000, 'x'));
  request.set_count(1000);
  const auto reader = stub_->Expand(&call, request);
  EchoReply reply;
  int received = 0;
  while (reader->Read(&reply)) received += reply.text() == request.text();
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return Describe(status);
  return received == 1000 ? "" : absl::StrCat(received, " of 1000 messages");
}

std::string Client::EachMessageAtOnce() {
  Call call;
  const auto stream = stub_->Chat(&call);
  EchoReply reply;
  for (int i = 0; i < 300; ++i) {
    const EchoRequest request = Request(absl::StrCat(key_, " chat ", i));
    if (!stream->Write(request) || !stream->Read(&reply)) {
      call.TryCancel();
      return absl::StrCat("message ", i, ": ", Describe(stream->Finish()));
    }
    if (reply.text() != request.text()) return "another text came back";
  }
  stream->WritesDone();
  if (stream->Read(&reply)) return "a message too many";
  return Describe(stream->Finish());
}

std::string Client::ManyAtOnce() {
  constexpr int kCalls = 500;
  struct One {
    Call call;
    EchoRequest request;
    EchoReply reply;
    grpc::Status status;
  };
  std::vector<One> all(kCalls);
  absl::BlockingCounter open(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    One& one = all[i];
    one.request.set_text(absl::StrCat("call ", i));
    stub_->async()->Say(&one.call, &one.request, &one.reply, [&one, &open](grpc::Status status) {
      one.status = std::move(status);
      open.DecrementCount();
    });
  }
  open.Wait();
  for (const One& one : all) {
    if (!one.status.ok()) return Describe(one.status);
    if (one.reply.text() != one.request.text()) return "answers were mixed up";
  }
  return "";
}

std::string Client::UnaryIsCancelled() {
  Call call;
  const EchoRequest request = Request(absl::StrCat(key_, " unary"));
  EchoReply reply;
  grpc::Status status;
  absl::BlockingCounter open(1);
  stub_->async()->Hang(&call, &request, &reply, [&](grpc::Status ended) {
    status = std::move(ended);
    open.DecrementCount();
  });
  std::string wrong = Await(request.text(), /*cancelled=*/false);
  call.TryCancel();
  open.Wait();
  if (!wrong.empty()) return wrong;
  if (status.error_code() != grpc::StatusCode::CANCELLED) return Describe(status);
  return Await(request.text(), /*cancelled=*/true);
}

std::string Client::StreamIsCancelled() {
  Call call;
  const auto stream = stub_->Chat(&call);
  const EchoRequest request = Request(absl::StrCat(key_, " stream"));
  EchoReply reply;
  const bool answered = stream->Write(request) && stream->Read(&reply);
  call.TryCancel();
  const grpc::Status status = stream->Finish();
  if (!answered || status.error_code() != grpc::StatusCode::CANCELLED) return Describe(status);
  return Await(request.text(), /*cancelled=*/true);
}

std::string Client::DeadlineIsTold() {
  Call call(std::chrono::milliseconds(5000));
  EchoReply reply;
  const grpc::Status status = stub_->Say(&call, Request("when?"), &reply);
  if (!status.ok()) return Describe(status);
  if (!reply.has_left_ms()) return "the server was told no deadline";
  // The library rounds up by up to 1 %.
  if (reply.left_ms() <= 0 || reply.left_ms() > 5050) return absl::StrCat(reply.left_ms(), " ms");
  return "";
}

std::string Client::DeadlineIsKept() {
  Call call(std::chrono::milliseconds(400));
  const EchoRequest request = Request(absl::StrCat(key_, " deadline"));
  EchoReply reply;
  const grpc::Status status = stub_->Hang(&call, request, &reply);
  if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) return Describe(status);
  return Await(request.text(), /*cancelled=*/true);
}

}  // namespace

std::vector<CheckResult> RunGrpcChecks(const std::shared_ptr<grpc::Channel>& channel,
                                       const std::string& key) {
  Client client(channel, key);
  const std::vector<std::pair<std::string, std::string (Client::*)()>> checks = {
      {"metadata and trailers", &Client::Metadata},
      {"8 MiB each way, plain and compressed", &Client::LargeMessages},
      {"every status with its message and details", &Client::EveryStatus},
      {"client streaming", &Client::ClientStreams},
      {"server streaming", &Client::ServerStreams},
      {"both ways, each message at once", &Client::EachMessageAtOnce},
      {"500 calls at once", &Client::ManyAtOnce},
      {"a cancelled call reaches the server", &Client::UnaryIsCancelled},
      {"a cancelled stream reaches the server", &Client::StreamIsCancelled},
      {"the deadline is told", &Client::DeadlineIsTold},
      {"the deadline ends the call at the server", &Client::DeadlineIsKept},
  };
  std::vector<CheckResult> results;
  results.reserve(checks.size());
  for (const auto& [name, check] : checks) results.push_back({name, (client.*check)()});
  return results;
}

}  // namespace pointsman::testing
