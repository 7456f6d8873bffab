package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// drops is where lost packets were lost. The kernel counts for each UDP socket
// what came while its buffer was full: whoever owns it was too slow to read.
type drops struct {
	Exchange uint64 `json:"exchange"` // at its sockets, those of SIP and RTCP too
	Tool     uint64 `json:"tool"`     // at this tool's sockets of RTP
	Rest     uint64 `json:"rest"`     // at neither: by the exchange itself, on the way, or later than we wait
	Blind    bool   `json:"exchange_unknown,omitempty"`
}

// String is for people.
func (d drops) String() string {
	theirs := fmt.Sprintf("%d at the sockets under test", d.Exchange)
	if d.Blind {
		theirs = "it is not known how many at the sockets under test (no --pid)"
	}
	return fmt.Sprintf("the kernel dropped %s, %d at this tool's; the rest is %d", theirs, d.Tool, d.Rest)
}

// inode is a socket as /proc names it.
type inode uint64

// udpDrops is what the kernel has dropped so far at each UDP socket. A socket that
// is closed is gone from here with its count.
func udpDrops() (map[inode]uint64, error) {
	all := map[inode]uint64{}
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) { // a machine without IPv6
			continue
		}
		if err != nil {
			return nil, err
		}
		err = readDrops(f, all)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return all, nil
}

// readDrops adds a table of proc_net_udp(5). Columns are counted in a line, as the
// head has names for two in one: the inode is the tenth, the drops are the last.
func readDrops(from io.Reader, to map[inode]uint64) error {
	lines := bufio.NewScanner(from)
	lines.Scan() // the head
	for lines.Scan() {
		f := bytes.Fields(lines.Bytes())
		if len(f) < 13 {
			return fmt.Errorf("%d columns", len(f))
		}
		node, err := strconv.ParseUint(string(f[9]), 10, 64)
		if err != nil {
			return fmt.Errorf("inode: %w", err)
		}
		n, err := strconv.ParseUint(string(f[len(f)-1]), 10, 64)
		if err != nil {
			return fmt.Errorf("drops: %w", err)
		}
		to[inode(node)] = n
	}
	return lines.Err()
}

// sockets is what the process and its descendants have open, of any kind.
func (p process) sockets() (all []inode, err error) {
	if p == 0 {
		return nil, nil
	}
	family, err := p.family()
	if err != nil {
		return nil, err
	}
	for _, pid := range family {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		fds, err := os.ReadDir(dir)
		if err != nil && pid == int(p) {
			return nil, fmt.Errorf("read sockets of process %d: %w", pid, err)
		}
		for _, fd := range fds {
			link, _ := os.Readlink(filepath.Join(dir, fd.Name())) // it may be closed meanwhile
			if number, ok := strings.CutPrefix(strings.TrimSuffix(link, "]"), "socket:["); ok {
				node, _ := strconv.ParseUint(number, 10, 64)
				all = append(all, inode(node))
			}
		}
	}
	return all, nil
}

// inodes is the engine's sockets of RTP; what comes to those of RTCP nobody reads.
func (e *engine) inodes() (all []inode, err error) {
	for _, s := range slices.Concat(e.sockets[:]...) {
		var st unix.Stat_t
		if err := unix.Fstat(s.fd, &st); err != nil {
			return nil, fmt.Errorf("look at our own socket: %w", err)
		}
		all = append(all, inode(st.Ino))
	}
	return all, nil
}

// blame begins to count who drops packets; the function returned ends it, and says
// where so many lost ones were. All calls must still be there then. Neither is
// cheap: they belong before and behind what is measured.
func (b bench) blame(e *engine) (func(lost uint64) (drops, error), error) {
	before, err := udpDrops()
	if err != nil {
		return nil, err
	}
	return func(lost uint64) (d drops, err error) {
		after, err := udpDrops()
		if err != nil {
			return d, err
		}
		theirs, err := b.PID.sockets()
		if err != nil {
			return d, err
		}
		ours, err := e.inodes()
		if err != nil {
			return d, err
		}
		d.Blind = b.PID == 0
		d.Exchange, d.Tool = dropped(theirs, before, after), dropped(ours, before, after)
		if known := d.Exchange + d.Tool; known < lost {
			d.Rest = lost - known
		}
		return d, nil
	}, nil
}

// dropped is what these sockets dropped between two looks at the table. A socket
// opened meanwhile began with nothing.
func dropped(sockets []inode, before, after map[inode]uint64) (sum uint64) {
	for _, s := range sockets {
		sum += after[s] - min(before[s], after[s])
	}
	return sum
}
