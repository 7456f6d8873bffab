package main

import (
	"maps"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const dropsTable = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops            \n" +
	"  185: 0B00007F:2120 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3279754 2 000000005e3357a3 0       \n" +
	" 1005: 0300007F:A454 00000000:0000 07 00000000:00000340 00:00000000 00000000  1000        0 3279832 2 000000006fa19d90 54901   \n"

const drops6Table = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n" +
	" 1422: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   118        0 4294967297 2 0000000000000000 7\n"

func TestDropsAreReadFromTheTablesOfTheKernel(t *testing.T) {
	got := map[inode]uint64{}
	for _, table := range []string{dropsTable, drops6Table, ""} {
		if err := readDrops(strings.NewReader(table), got); err != nil {
			t.Fatal(err)
		}
	}
	if want := map[inode]uint64{3279754: 0, 3279832: 54901, 4294967297: 7}; !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, line := range []string{"185: 0B00007F:2120", strings.ReplaceAll(dropsTable, "54901", "many"), strings.ReplaceAll(dropsTable, "3279754", "-")} {
		if err := readDrops(strings.NewReader("head\n"+line), map[inode]uint64{}); err == nil {
			t.Errorf("no error for %q", line)
		}
	}
}

// fill sends so many packets to a socket, and takes out what it kept: the rest it
// dropped.
func fill(t *testing.T, s *socket, packets int) (dropped uint64) {
	t.Helper()
	to := rawAddr(s.addr)
	for range packets {
		if !s.send(make([]byte, 172), &to) {
			t.Fatal("a packet could not be sent")
		}
	}
	for {
		if _, _, _, ok := s.receive(); !ok {
			return uint64(packets)
		}
		packets--
	}
}

func TestLostPacketsAreBlamedOnTheSocketsThatDroppedThem(t *testing.T) {
	var sockets [2]*socket
	for i := range sockets {
		s, err := openSocket(netip.MustParseAddr("127.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 10_000); err != nil {
			t.Fatal(err)
		}
		sockets[i] = s
	}
	fill(t, sockets[0], 300) // before
	var e engine
	e.sockets[1] = sockets[1:] // the other is of this process too, but not of the engine
	blame, err := bench{PID: process(os.Getpid())}.blame(&e)
	if err != nil {
		t.Fatal(err)
	}
	other, ours := fill(t, sockets[0], 200), fill(t, sockets[1], 500)
	if other == 0 || ours == 0 {
		t.Fatalf("%d and %d were dropped", other, ours)
	}
	all := other + 2*ours // they are counted with the process and with the engine
	for lost, rest := range map[uint64]uint64{all + 17: 17, all: 0, 1: 0} {
		d, err := blame(lost)
		if want := (drops{Exchange: other + ours, Tool: ours, Rest: rest}); err != nil || d != want {
			t.Errorf("of %d lost: %+v, want %+v; %v", lost, d, want, err)
		}
	}
}

func TestWithoutAProcessTheToolOwnsUpToItsDropsAlone(t *testing.T) {
	blame, err := bench{}.blame(new(engine))
	if err != nil {
		t.Fatal(err)
	}
	d, err := blame(5)
	if want := (drops{Rest: 5, Blind: true}); err != nil || d != want {
		t.Errorf("%+v, %v", d, err)
	}
	if text := d.String(); !strings.Contains(text, "not known") || !strings.Contains(text, "the rest is 5") {
		t.Error(text)
	}
}
