//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// A flood like that of `make flood`, for some seconds: 2,000 messages a second
// from 10,000 sources cost no packet of 50 live calls and no registration, and no
// stranger gets an answer that helps. It runs by itself: it takes half a core.
func TestAFloodOfStrangersCostsNobodyAnything(t *testing.T) {
	x := Start(t, Firm)
	load := filepath.Join(t.TempDir(), "cabload")
	if out, err := exec.Command("go", "build", "-o", load, "cabline/cmd/cabload").CombinedOutput(); err != nil {
		t.Fatalf("build cabload: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(within(t), load, "flood", "--for=20s", "--every=5s", "--settle=20s",
		"--pbx="+x.Network.Exchange.String()+":5060", "--caller="+x.Client.String()+":5062", "--callee="+x.Carrier.String()+":5070",
		"--number="+forwardLine, "--web="+x.Web, "--token="+x.Token, "--password=secret-of-anna").CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
