package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWhoPanicsIsLeftOutAndTheOthersHaveTheirTurn(t *testing.T) {
	for name, bad := range map[string][]int{"none": nil, "the first": {0}, "the last": {9}, "two in a row": {4, 5}, "all": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
		t.Run(name, func(t *testing.T) {
			var line Line
			desk := NewDesk(func(any, []byte) {})
			line.Report(desk)
			var done, hurt []int
			line.Each(10, func(i int) {
				if slices.Contains(bad, i) {
					panic(i)
				}
				done = append(done, i)
			}, func(i int) { hurt = append(hurt, i) })
			if !slices.Equal(hurt, bad) || len(done)+len(hurt) != 10 || desk.Count() != uint64(len(bad)) {
				t.Errorf("done %v, hurt %v, %d counted", done, hurt, desk.Count())
			}
		})
	}
}

func TestAFaultIsToldOfOnceWithWhereItIs(t *testing.T) {
	var told []string
	desk := NewDesk(func(fault any, stack []byte) { told = append(told, fmt.Sprintf("%v %s", fault, stack)) })
	var line Line
	line.Report(desk)
	for range 3 {
		line.Each(2, func(i int) {
			var none []int
			if i == 0 {
				breaks()
			}
			_ = none[i]
		}, func(int) {})
	}
	if desk.Count() != 6 || len(told) != 2 {
		t.Fatalf("%d faults, told %d times", desk.Count(), len(told))
	}
	if !strings.HasPrefix(told[0], "a bug") || !strings.Contains(told[0], "faults.breaks") || !strings.Contains(told[1], "out of range") {
		t.Errorf("told %s", told)
	}
}

func breaks() { panic("a bug") }

func TestWithoutADeskAFaultEndsWhatItWouldEnd(t *testing.T) {
	defer func() {
		if fault := recover(); fault != "a bug" {
			t.Errorf("got %v", fault)
		}
	}()
	new(Line).Each(1, func(int) { breaks() }, func(int) { t.Error("it is hurt") })
	t.Error("it goes on")
}

func TestToCatchFaultsAllocatesNothing(t *testing.T) {
	var line Line
	line.Report(NewDesk(nil))
	sum := 0
	if n := testing.AllocsPerRun(100, func() { line.Each(10, func(i int) { sum += i }, func(int) { sum = 0 }) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
