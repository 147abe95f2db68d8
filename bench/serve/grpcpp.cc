/*
 * The peer: gRPC C++ serving the same greeter, asynchronously, one completion queue on one thread.
 * Messages and calls are reused. Writes of a stream are hinted to be buffered, which packs them
 * into fewer frames and costs a quarter; with --unhinted they are not, as in most people's
 * services. sayHello replies "Hello, NAME"; serverStream of "count:N" replies "0" to "N-1".
 */
#include "greeter.grpc.pb.h"

#include <grpcpp/grpcpp.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

using org::apache::dubbo::samples::proto::Greeter;
using org::apache::dubbo::samples::proto::GreeterReply;
using org::apache::dubbo::samples::proto::GreeterRequest;

namespace
{

class Call
{
  public:
    virtual ~Call() = default;
    virtual void proceed(bool ok) = 0;
};

struct Server {
    Greeter::AsyncService service;
    std::unique_ptr<grpc::ServerCompletionQueue> queue;
    bool hints = true;
};

class Unary final : public Call
{
  public:
    explicit Unary(Server &server) : server_(server)
    {
        listen();
    }

    void proceed(bool ok) override
    {
        if (!is_replying_ && ok) {
            is_replying_ = true;
            reply_.mutable_message()->assign("Hello, ").append(request_.name());
            responder_->Finish(reply_, grpc::Status::OK, this);
        } else {
            listen();
        }
    }

  private:
    void listen()
    {
        is_replying_ = false;
        responder_.reset();
        context_.emplace();
        responder_.emplace(&*context_);
        server_.service.RequestsayHello(&*context_, &request_, &*responder_, server_.queue.get(),
                                        server_.queue.get(), this);
    }

    Server &server_;
    std::optional<grpc::ServerContext> context_;
    std::optional<grpc::ServerAsyncResponseWriter<GreeterReply>> responder_;
    GreeterRequest request_;
    GreeterReply reply_;
    bool is_replying_ = false;
};

class ServerStream final : public Call
{
  public:
    explicit ServerStream(Server &server) : server_(server)
    {
        listen();
    }

    void proceed(bool ok) override
    {
        if (is_finishing_ || (!ok && !is_started_)) {
            listen();
            return;
        }
        if (!is_started_) {
            is_started_ = true;
            if (request_.name().rfind("count:", 0) == 0)
                count_ = std::strtoull(request_.name().c_str() + 6, nullptr, 10);
        }
        if (ok && next_ < count_) {
            char text[24];
            auto end = std::to_chars(text, text + sizeof(text), next_++).ptr;
            reply_.mutable_message()->assign(text, end);
            grpc::WriteOptions options;
            /* gRPC 1.51 never sends the headers if the first write is hinted. */
            if (server_.hints && next_ > 1 && next_ < count_)
                options.set_buffer_hint();
            writer_->Write(reply_, options, this);
        } else {
            is_finishing_ = true;
            writer_->Finish(grpc::Status::OK, this);
        }
    }

  private:
    void listen()
    {
        is_started_ = is_finishing_ = false;
        next_ = count_ = 0;
        writer_.reset();
        context_.emplace();
        writer_.emplace(&*context_);
        server_.service.RequestserverStream(&*context_, &request_, &*writer_, server_.queue.get(),
                                            server_.queue.get(), this);
    }

    Server &server_;
    std::optional<grpc::ServerContext> context_;
    std::optional<grpc::ServerAsyncWriter<GreeterReply>> writer_;
    GreeterRequest request_;
    GreeterReply reply_;
    unsigned long long next_ = 0, count_ = 0;
    bool is_started_ = false, is_finishing_ = false;
};

} // namespace

int main(int argc, char **argv)
{
    constexpr int unary_calls = 2000, stream_calls = 100;
    Server server;
    if (argc == 3 && std::strcmp(argv[2], "--unhinted") == 0)
        server.hints = false;
    else if (argc != 2) {
        std::fprintf(stderr, "usage: bench-grpcpp PORT [--unhinted]\n");
        return 2;
    }
    grpc::ServerBuilder builder;
    builder.AddListeningPort(std::string("127.0.0.1:") + argv[1],
                             grpc::InsecureServerCredentials());
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 1000);
    builder.RegisterService(&server.service);
    server.queue = builder.AddCompletionQueue();
    auto running = builder.BuildAndStart();
    if (!running) {
        std::fprintf(stderr, "bench-grpcpp: cannot listen on 127.0.0.1:%s\n", argv[1]);
        return 1;
    }
    for (int i = 0; i < unary_calls; i++)
        new Unary(server);
    for (int i = 0; i < stream_calls; i++)
        new ServerStream(server);
    void *tag;
    for (bool ok; server.queue->Next(&tag, &ok);)
        static_cast<Call *>(tag)->proceed(ok);
    return 0;
}
