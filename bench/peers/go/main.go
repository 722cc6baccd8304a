// The ordinary way in Go: grpc-go, grpc-gateway before it in the same process, and a Redis
// client, the store read for each call.
//
// Arguments: GRPC_PORT HTTP_PORT REDIS_ADDR (host:port, or redis://host:port[/db]).
package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"unicode/utf8"

	gateway "github.com/grpc-ecosystem/grpc-gateway/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	redis "gopkg.in/redis.v5"

	pb "gopeer/upbotpb"
)

const buckets = 1024

type ordinary struct {
	store *redis.Client
}

// CheckUserXYLevel does token, validation and level, each in its turn.
func (o *ordinary) CheckUserXYLevel(
	ctx context.Context, request *pb.CheckUserXYLevelRequest,
) (*pb.CheckUserXYLevelResponse, error) {
	token := ""
	if md, there := metadata.FromIncomingContext(ctx); there {
		if values := md.Get("authorization"); len(values) > 0 {
			token = values[len(values)-1]
		}
	}
	digest := sha256.Sum256([]byte(token))
	granted, err := o.store.Get("lg:token:" + hex.EncodeToString(digest[:])).Bytes()
	if err != nil && err != redis.Nil {
		return nil, err
	}
	if err == redis.Nil || !allows(granted, "upbot:check") {
		return nil, status.Error(codes.Unauthenticated, "unauthenticated")
	}
	characters := utf8.RuneCountInString(request.Openid)
	if characters < 1 || characters > 128 || len(request.Level) < 1 || len(request.Level) > 1000 {
		return nil, status.Error(codes.InvalidArgument, "openid or levels")
	}
	packed, err := o.store.Get(recordKey(request.Openid)).Bytes()
	if err != nil && err != redis.Nil {
		return nil, err
	}
	ok := false
	if err != redis.Nil {
		level, err := unpackLevel(packed)
		if err != nil {
			return nil, err
		}
		for _, asked := range request.Level {
			if int64(asked) == int64(level) {
				ok = true
				break
			}
		}
	}
	return &pb.CheckUserXYLevelResponse{Data: &pb.CheckResult{Ok: ok}}, nil
}

func allows(granted []byte, scope string) bool {
	var grant struct {
		Scope string `json:"scope"`
	}
	if json.Unmarshal(granted, &grant) != nil {
		return false
	}
	for _, each := range strings.Fields(grant.Scope) {
		if each == scope {
			return true
		}
	}
	return false
}

func recordKey(user string) string {
	return fmt.Sprintf("lg:{%d}:user:%s", crc32.ChecksumIEEE([]byte(user))%buckets, user)
}

// unpackLevel reads >BBIIIQ: format, source, level, points, protected_until, version.
func unpackLevel(packed []byte) (uint32, error) {
	if len(packed) < 22 || packed[0] < 1 || packed[0] > 2 {
		return 0, status.Error(codes.Internal, "unknown record format")
	}
	return binary.BigEndian.Uint32(packed[2:6]), nil
}

func storeOptions(address string) (*redis.Options, error) {
	options := &redis.Options{Addr: address}
	if strings.Contains(address, "://") {
		var err error
		if options, err = redis.ParseURL(address); err != nil {
			return nil, err
		}
	}
	options.PoolSize = 10 * runtime.GOMAXPROCS(0) // go-redis's default since v6
	return options, nil
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: gopeer GRPC_PORT HTTP_PORT REDIS_ADDR")
	}
	grpcAddress, httpAddress := "127.0.0.1:"+os.Args[1], "127.0.0.1:"+os.Args[2]
	options, err := storeOptions(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", grpcAddress)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterUpbotChecksServer(server, &ordinary{redis.NewClient(options)})
	go func() { log.Fatal(server.Serve(listener)) }()

	// EmitDefaults is v1's name for v2's EmitUnpopulated.
	mux := gateway.NewServeMux(gateway.WithMarshalerOption(
		gateway.MIMEWildcard, &gateway.JSONPb{EmitDefaults: true}))
	err = pb.RegisterUpbotChecksHandlerFromEndpoint(
		context.Background(), mux, grpcAddress, []grpc.DialOption{grpc.WithInsecure()})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(httpAddress, mux))
}
