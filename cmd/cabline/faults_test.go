package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestAFaultInTheAudioIsLoggedOnceWithItsStackAndCounted(t *testing.T) {
	x := anExchange(t, gootaxConfig())
	var written strings.Builder
	log := zerolog.New(&written)
	x.log.Store(&log)
	console, err := x.console(false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		panicked := make(chan struct{})
		x.clock.Start(func() bool { defer close(panicked); panic("a bug") })
		<-panicked
	}
	x.clock.Close() // what it was at is done
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "\ncabline_faults_total 2\n") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := written.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"panic":"a bug"`) || !strings.Contains(got, "faults_test.go") {
		t.Errorf("logged %s", got)
	}
}
