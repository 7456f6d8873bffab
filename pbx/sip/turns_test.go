package sip

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// keys sends a key each by INFO, as the requests with these numbers, and lets each
// be dealt with as far as it may. It returns what they are answered, in the order
// of the answers.
func (k *talk) keys(numbers ...int) (answers []string) {
	k.t.Helper()
	for _, n := range numbers {
		k.seq = n - 1
		k.request("INFO", fmt.Sprintf("Content-Type: application/dtmf\n\n%d", n))
		synctest.Wait()
	}
	for range numbers {
		m := k.want("SIP/2.0 ")
		answers = append(answers, m.header("CSeq")+": "+m.status())
	}
	return answers
}

func TestRequestsAreDealtWithInTheOrderOfTheirNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		come, late []int // the latter when the former are answered
		answers    []string
		heard      string
		took       time.Duration
	}{
		"each in its turn":                     {[]int{1, 2}, nil, []string{"1 INFO: 200", "2 INFO: 200"}, "12", 0},
		"one that overtook the one before it":  {[]int{1, 3, 2}, nil, []string{"1 INFO: 200", "2 INFO: 200", "3 INFO: 200"}, "123", 0},
		"two that overtook the one before":     {[]int{1, 4, 3, 2}, nil, []string{"1 INFO: 200", "2 INFO: 200", "3 INFO: 200", "4 INFO: 200"}, "1234", 0},
		"an old one":                           {[]int{1, 2}, []int{1}, []string{"1 INFO: 200", "2 INFO: 200", "1 INFO: 500"}, "12", 0},
		"one after a gap that never closes":    {[]int{1, 3}, nil, []string{"1 INFO: 200", "3 INFO: 200"}, "13", overtaking},
		"one that is too late for its gap":     {[]int{1, 3}, []int{2}, []string{"1 INFO: 200", "3 INFO: 200", "2 INFO: 500"}, "13", overtaking},
		"two after a gap that never closes":    {[]int{1, 4, 3}, nil, []string{"1 INFO: 200", "3 INFO: 200", "4 INFO: 200"}, "134", overtaking},
		"three with a gap before each of them": {[]int{1, 7, 5, 3}, nil, []string{"1 INFO: 200", "3 INFO: 200", "5 INFO: 200", "7 INFO: 200"}, "1357", overtaking},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, n := startFar(t, Trunk{Name: "carrier", Target: "192.0.2.1:5060"})
				done := b.dial(context.Background(), driver)
				k, _ := n.carrier("192.0.2.1:5060").answers(done)
				port := wait(t, "port", b.ports)
				began := time.Now()
				answers := append(k.keys(c.come...), k.keys(c.late...)...)
				took := time.Since(began)
				if _, heard := port.told(); heard != c.heard || !slices.Equal(answers, c.answers) || took != c.took {
					t.Errorf("heard %s after %v, %q", heard, took, answers)
				}
				k.seq = 10
				k.bye()
			})
		})
	}
}
