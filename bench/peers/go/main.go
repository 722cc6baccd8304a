// A common implementation in Go: grpc-go, grpc-gateway in front of it in the same process, and a
// Redis client. It keeps what it reads from the store for a second.
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
	"sync"
	"time"
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

// The same time and number of values as in the other peers.
const (
	lifetime = time.Second
	most     = 50000
)

type entry struct {
	value   []byte // nil where the store has none
	expires time.Time
}

// remembered answers from memory if it read the value within the last second.
type remembered struct {
	store  *redis.Client
	mutex  sync.Mutex
	values map[string]entry
}

func (r *remembered) get(key string) ([]byte, error) {
	now := time.Now()
	r.mutex.Lock()
	known, there := r.values[key]
	r.mutex.Unlock()
	if there && now.Before(known.expires) {
		return known.value, nil
	}
	value, err := r.store.Get(key).Bytes()
	if err == redis.Nil {
		value = nil
	} else if err != nil {
		return nil, err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.values) >= most {
		r.values = map[string]entry{}
	}
	r.values[key] = entry{value, now.Add(lifetime)}
	return value, nil
}

type ordinary struct {
	store *remembered
}

// CheckUserXYLevel checks the token, the parameters and the level, one after the other.
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
	granted, err := o.store.get("lg:{access}:token:" + hex.EncodeToString(digest[:]))
	if err != nil {
		return nil, err
	}
	if granted == nil || !allows(granted, "upbot:check") {
		return nil, status.Error(codes.Unauthenticated, "unauthenticated")
	}
	characters := utf8.RuneCountInString(request.Openid)
	if characters < 1 || characters > 128 || len(request.Level) < 1 || len(request.Level) > 1000 {
		return nil, status.Error(codes.InvalidArgument, "openid or levels")
	}
	packed, err := o.store.get(recordKey(request.Openid))
	if err != nil {
		return nil, err
	}
	ok := false
	if packed != nil {
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
	store := &remembered{store: redis.NewClient(options), values: map[string]entry{}}
	pb.RegisterUpbotChecksServer(server, &ordinary{store})
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
