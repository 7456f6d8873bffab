package config

import (
	"errors"
	"strings"
	"testing"

	"cabline/media/opus"
)

func TestOpusIsSpokenWhereItIsBuiltIn(t *testing.T) {
	text := strings.NewReplacer("ports: 20000-29999", "ports: 20000-29999, codecs: [opus, pcma]").Replace(firmFile)
	c, _, err := Parse("f", []byte(text), environment())
	if opus.Built {
		if err != nil || strings.Join(c.Trunks[0].Codecs, " ") != "opus pcma" {
			t.Errorf("codecs %v, error %v", c.Trunks, err)
		}
		return
	}
	const want = "f:4:39: rtp.codecs: this program was built without opus; leave it out, or install libopus-dev and pkg-config and run make build"
	if problems := (Problems{}); !errors.As(err, &problems) || problems.Error() != want {
		t.Errorf("told\n%v\nwant\n%s", err, want)
	}
}
