package sip

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestTheLogSaysWhyATrunkIsNotRegisteredAndEachReasonOnce(t *testing.T) {
	type said struct {
		Up, Registered bool
		Why            string
	}
	no := func(text string) error { return errors.New(text) }
	for name, c := range map[string]struct {
		happens func(ctx context.Context, t *trunk)
		want    []said
	}{
		"OPTIONS is answered before a REGISTER is refused": {func(ctx context.Context, t *trunk) {
			t.alive(ctx, nil)
			t.registered(ctx, no("403"))
		}, []said{{false, false, ""}, {false, false, "403"}}},
		"it is refused for another reason": {func(ctx context.Context, t *trunk) {
			t.registered(ctx, no("503"))
			t.registered(ctx, no("403"))
		}, []said{{false, false, "503"}, {false, false, "403"}}},
		"both are refused, again and again": {func(ctx context.Context, t *trunk) {
			for range 3 {
				t.registered(ctx, no("403"))
				t.alive(ctx, no("silence"))
			}
		}, []said{{false, false, "403"}, {false, false, "403; silence"}}},
		"it is dead to OPTIONS and then to a call": {func(ctx context.Context, t *trunk) {
			t.registered(ctx, nil)
			t.alive(ctx, no("OPTIONS"))
			t.alive(ctx, no("INVITE within 1.3s"))
		}, []said{{true, true, ""}, {false, true, "OPTIONS"}}},
		"it is registered in the end": {func(ctx context.Context, t *trunk) {
			t.alive(ctx, nil)
			t.registered(ctx, no("403"))
			t.alive(ctx, nil)
			t.registered(ctx, nil)
			t.registered(ctx, nil)
		}, []said{{false, false, ""}, {false, false, "403"}, {true, true, ""}}},
		"what was mended breaks again": {func(ctx context.Context, t *trunk) {
			for range 2 {
				t.registered(ctx, nil)
				t.registered(ctx, no("403"))
			}
		}, []said{{true, true, ""}, {false, false, "403"}, {true, true, ""}, {false, false, "403"}}},
	} {
		t.Run(name, func(t *testing.T) {
			tr, err := newTrunk(Trunk{Name: "carrier", Target: "192.0.2.1", Register: true, AuthUser: "883140001"})
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			c.happens(zerolog.New(&log).WithContext(t.Context()), tr)
			var got []said
			for lines := json.NewDecoder(&log); lines.More(); {
				var line said
				if err := lines.Decode(&line); err != nil {
					t.Fatal(err)
				}
				got = append(got, line)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("the log says %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestACarrierThatWasAwayAndIsBackIsRegisteredWithAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		err  error // of the REGISTER before
		soon bool
	}{
		"it may have forgotten us":     {nil, true},
		"it was away then":             {errDead, true},
		"it was full":                  {refusedError{code: 503}, true},
		"it says when we may ask":      {refusedError{code: 503, retryAfter: time.Minute}, false},
		"it has refused our password":  {refusedError{code: 403}, false},
		"it has refused it in a trice": {fmt.Errorf("%w: wrong", refusedError{code: 401}), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, err := newTrunk(Trunk{Name: "carrier", Target: "192.0.2.1", Register: true, AuthUser: "883140001"})
				if err != nil {
					t.Fatal(err)
				}
				r := &registration{trunk: tr, server: &Server{cfg: Config{}.withDefaults()}, dialog: dialog{path: path{network: "UDP"}}, hop: tr.gateways.first()}
				began := time.Now()
				go func() {
					time.Sleep(5 * time.Second)
					tr.alive(t.Context(), errDead)
					time.Sleep(5 * time.Second)
					tr.alive(t.Context(), nil)
				}()
				if !r.rest(t.Context(), 2*time.Minute, c.err) {
					t.Fatal("it does not go on")
				}
				if took := time.Since(began); c.soon != (took <= 10*time.Second+2*lookAfter) || took < 10*time.Second {
					t.Errorf("registers after %v", took)
				}
			})
		})
	}
}
