package gate

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

var (
	office  = netip.MustParseAddr("203.0.113.7")
	scanner = netip.MustParseAddr("198.51.100.9")
)

// guess tries n wrong passwords and returns how many were looked at.
func guess(d *Gate, n int, source func(int) netip.Addr, login func(int) string) (looked int) {
	for i := range n {
		if !d.Closed(Visitor{Source: source(i), Login: login(i)}) {
			d.Failed(Visitor{Source: source(i), Login: login(i)})
			looked++
		}
	}
	return looked
}

func always[T any](v T) func(int) T { return func(int) T { return v } }

func someLogin(i int) string { return fmt.Sprint("login", i) }

func anywhere(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+uint32(i))
	return netip.AddrFrom4(b)
}

func TestWhoGuessesIsBannedAfterAFewFailures(t *testing.T) {
	for name, c := range map[string]struct {
		source func(int) netip.Addr
		login  func(int) string
		tries  int
		ban    time.Duration
	}{
		"one login from one source":    {always(scanner), always("anna"), 5, time.Minute},
		"a login there is not":         {always(scanner), always("100"), 5, time.Minute},
		"no login at all":              {always(scanner), always(""), 5, time.Minute},
		"many logins from one source":  {always(scanner), someLogin, 20, 10 * time.Minute},
		"one login from everywhere":    {anywhere, always("anna"), 100, time.Minute},
		"within one household of IPv6": {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)) }, someLogin, 20, 10 * time.Minute},
		"by an IPv4 address written as IPv6": {func(i int) netip.Addr {
			return netip.MustParseAddr([]string{"::ffff:198.51.100.9", "198.51.100.9"}[i%2])
		}, someLogin, 20, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := New()
				if looked := guess(d, 1000, c.source, c.login); looked != c.tries {
					t.Errorf("%d guesses, want %d", looked, c.tries)
				}
				bans, begun := d.Bans()
				if len(bans) != 1 || begun != 1 || !bans[0].Until.Equal(time.Now().Add(c.ban)) {
					t.Errorf("bans: %+v, %d so far", bans, begun)
				}
				time.Sleep(c.ban - time.Second)
				if !d.Closed(Visitor{Source: c.source(2000), Login: c.login(2000)}) {
					t.Error("over too early")
				}
				time.Sleep(time.Second)
				if d.Closed(Visitor{Source: c.source(2000), Login: c.login(2000)}) {
					t.Error("it does not end")
				}
				if bans, _ := d.Bans(); len(bans) != 0 {
					t.Errorf("bans: %+v", bans)
				}
			})
		})
	}
}

func TestABanDoesNotLockOutTheOperatorsBehindTheSameAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New()
		d.Passed(Visitor{office, "anna", "her phone"})
		d.Passed(Visitor{Source: office, Login: "boris"})
		guess(d, 1000, always(office), someLogin)      // a neighbour who scans
		guess(d, 1000, always(office), always("anna")) // and one who guesses her password
		guess(d, 1000, anywhere, always("boris"))      // and the world
		if !d.Closed(Visitor{Source: office, Login: "clara"}) {
			t.Fatal("there is no ban that could lock anybody out")
		}
		if d.Closed(Visitor{Source: office, Login: "boris"}) {
			t.Error("boris is locked out")
		}
		if !d.Closed(Visitor{Source: office, Login: "anna"}) {
			t.Error("her password may be guessed for ever")
		}
		if d.Closed(Visitor{office, "anna", "her phone"}) {
			t.Error("the phone she always has is locked out")
		}
		if guesses := guess(d, 1000, always(office), always("anna")); guesses > 0 {
			t.Errorf("%d more guesses", guesses)
		}
		for range 10 {
			time.Sleep(time.Minute)
			if d.Closed(Visitor{Source: office, Login: "anna"}) {
				t.Error("she is locked out for longer than a minute")
			}
			guess(d, 1000, always(office), always("anna"))
		}
		for range 5 {
			d.Failed(Visitor{office, "anna", "her phone"})
		}
		if !d.Closed(Visitor{office, "anna", "her phone"}) {
			t.Error("who knows the phone may guess for ever")
		}
	})
}

func TestAPhoneWithAWrongPasswordDoesNotBanItsOffice(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			d, tries := New(), 0
			for begin := time.Now(); time.Since(begin) < 24*time.Hour; time.Sleep(every) {
				if !d.Closed(Visitor{Source: office, Login: "anna"}) {
					d.Failed(Visitor{Source: office, Login: "anna"})
					tries++
				}
				if d.Closed(Visitor{Source: office, Login: "boris"}) {
					t.Fatalf("every %s: the office is banned after %s", every, time.Since(begin))
				}
			}
			if tries > 24*6+30 && every < 30*time.Second {
				t.Errorf("every %s: %d tries in a day", every, tries)
			}
		})
	}
}

func TestEachBanIsLongerThanTheOneBeforeUpToAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New()
		for _, want := range []time.Duration{10, 20, 40, 60, 60} {
			guess(d, 100, always(scanner), someLogin)
			bans, _ := d.Bans()
			if len(bans) != 1 || time.Until(bans[0].Until) != want*time.Minute || bans[0].Source != netip.MustParsePrefix("198.51.100.9/32") {
				t.Fatalf("bans: %+v, want %d minutes", bans, want)
			}
			time.Sleep(time.Until(bans[0].Until))
		}
		time.Sleep(3 * time.Hour)
		guess(d, 100, always(scanner), someLogin)
		if bans, _ := d.Bans(); time.Until(bans[0].Until) != 10*time.Minute {
			t.Errorf("hours later: %+v", bans)
		}
	})
}

func TestBansAreOfABoundedNumber(t *testing.T) {
	d := New()
	d.Passed(Visitor{Source: office, Login: "anna"})
	for i := range 5 * maxKeys {
		for range 5 {
			d.Failed(Visitor{Source: anywhere(i), Login: someLogin(i)})
		}
		d.Passed(Visitor{Source: anywhere(i), Login: "somebody"})
	}
	if bans, _ := d.Bans(); len(bans) > 3*maxKeys || len(bans) < maxKeys/4 {
		t.Errorf("%d bans", len(bans))
	}
	for name, n := range map[string]int{
		"pairs": d.pair.size(), "sources": d.source.size(), "logins": d.login.size(), "homes": d.home.size(), "households": d.homes.size(),
	} {
		if n > maxKeys {
			t.Errorf("%d %s", n, name)
		}
	}
}
