// Owns what franz-go does against a broker in the tests: a group round trip with a rebalance, and a producer that reports each acknowledgement.
// Usage: franzgo group SEEDS TOPIC COUNT | franzgo produce SEEDS TOPIC PREFIX
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 5 && os.Args[1] == "group":
		count, parseErr := strconv.Atoi(os.Args[4])
		if parseErr != nil {
			panic(parseErr)
		}
		err = group(strings.Split(os.Args[2], ","), os.Args[3], count)
	case len(os.Args) == 5 && os.Args[1] == "produce":
		err = produce(strings.Split(os.Args[2], ","), os.Args[3], os.Args[4])
	default:
		err = fmt.Errorf("usage: franzgo group SEEDS TOPIC COUNT | produce SEEDS TOPIC PREFIX")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

type member struct {
	client   *kgo.Client
	mutex    sync.Mutex
	assigned map[int32]bool
}

func (m *member) held() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.assigned)
}

func (m *member) change(partitions map[string][]int32, has bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, list := range partitions {
		for _, partition := range list {
			if has {
				m.assigned[partition] = true
			} else {
				delete(m.assigned, partition)
			}
		}
	}
}

func newMember(ctx context.Context, seeds []string, topic string, seen chan *kgo.Record) (*member, error) {
	m := &member{assigned: map[int32]bool{}}
	lose := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { m.change(partitions, false) }
	client, err := kgo.NewClient(
		kgo.SeedBrokers(seeds...),
		kgo.ConsumerGroup("franz-"+topic),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(200*time.Millisecond),
		kgo.FetchMaxWait(200*time.Millisecond),
		kgo.AutoCommitMarks(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { m.change(partitions, true) }),
		kgo.OnPartitionsRevoked(lose),
		kgo.OnPartitionsLost(lose),
	)
	if err != nil {
		return nil, err
	}
	m.client = client
	go func() {
		for ctx.Err() == nil {
			fetches := client.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachRecord(func(record *kgo.Record) {
				client.MarkCommitRecords(record)
				seen <- record
			})
		}
	}()
	return m, nil
}

// group produces COUNT records per codec with idempotence, reads them with one member, lets a second one join (a rebalance), and reads again.
func group(seeds []string, topic string, count int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	expected := map[string]string{}
	produceAll := func(round string) error {
		for name, codec := range codecs {
			client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codec))
			if err != nil {
				return err
			}
			var mutex sync.Mutex
			var first error
			for at := 0; at < count; at++ {
				key := fmt.Sprintf("%s-%s-%d", round, name, at)
				value := strings.Repeat(key+" ", 20)
				expected[key] = value
				record := &kgo.Record{Key: []byte(key), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "codec", Value: []byte(name)}}}
				client.Produce(ctx, record, func(_ *kgo.Record, err error) {
					mutex.Lock()
					defer mutex.Unlock()
					if err != nil && first == nil {
						first = err
					}
				})
			}
			if err := client.Flush(ctx); err != nil {
				return err
			}
			client.Close()
			if first != nil {
				return fmt.Errorf("produce with %s: %w", name, first)
			}
		}
		return nil
	}
	seen := make(chan *kgo.Record, 1024)
	collect := func() error {
		for len(expected) > 0 {
			select {
			case record := <-seen:
				key := string(record.Key)
				value, waiting := expected[key]
				if !waiting {
					continue // delivered again after a rebalance: at-least-once
				}
				if value != string(record.Value) {
					return fmt.Errorf("record %s came back with another value", key)
				}
				codec := strings.Split(key, "-")[1]
				if len(record.Headers) != 1 || record.Headers[0].Key != "codec" || string(record.Headers[0].Value) != codec {
					return fmt.Errorf("record %s came back with other headers", key)
				}
				delete(expected, key)
			case <-ctx.Done():
				return fmt.Errorf("%d records were never seen", len(expected))
			}
		}
		return nil
	}
	if err := produceAll("one"); err != nil {
		return err
	}
	one, err := newMember(ctx, seeds, topic, seen)
	if err != nil {
		return err
	}
	if err := collect(); err != nil {
		return err
	}
	two, err := newMember(ctx, seeds, topic, seen)
	if err != nil {
		return err
	}
	// The rebalance is done when both hold partitions.
	for {
		if one.held() > 0 && two.held() > 0 {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the second member never got a partition")
		}
		time.Sleep(50 * time.Millisecond)
	}
	split := []int{one.held(), two.held()}
	if err := produceAll("two"); err != nil {
		return err
	}
	if err := collect(); err != nil {
		return err
	}
	one.client.Close()
	two.client.Close()
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"records": 2 * count * len(codecs), "split": split})
}

// produce sends PREFIX-0, PREFIX-1, ... with acks=all until its input closes, and prints "partition offset value" for each acknowledged record.
func produce(seeds []string, topic, prefix string) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(seeds...),
		kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordDeliveryTimeout(60*time.Second),
		kgo.MaxBufferedRecords(500),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.MetadataMinAge(50*time.Millisecond),
	)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		reader := bufio.NewReader(os.Stdin)
		_, _ = reader.ReadString('\n')
		cancel()
	}()
	out := bufio.NewWriter(os.Stdout)
	var mutex sync.Mutex
	for at := 0; ctx.Err() == nil; at++ {
		value := fmt.Sprintf("%s-%d", prefix, at)
		client.Produce(context.Background(), &kgo.Record{Key: []byte(prefix), Value: []byte(value)}, func(record *kgo.Record, err error) {
			mutex.Lock()
			defer mutex.Unlock()
			if err == nil {
				fmt.Fprintf(out, "%d %d %s\n", record.Partition, record.Offset, record.Value)
			} else {
				fmt.Fprintf(os.Stderr, "%s: %v\n", record.Value, err)
			}
		})
		if at%50 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	flushCtx, done := context.WithTimeout(context.Background(), 60*time.Second)
	defer done()
	err = client.Flush(flushCtx)
	mutex.Lock()
	defer mutex.Unlock()
	out.Flush()
	return err
}
