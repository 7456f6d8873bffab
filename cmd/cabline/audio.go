package main

import (
	"cabline/media"
	"cabline/media/rtp"
	"cabline/pbx/sip"
)

var _ interface{ OfferPlain() ([]byte, error) } = (*rtp.Port)(nil) // see sip.Audio

// openRTP opens the audio of one leg as its trunk or phone wants it.
func (x *exchange) openRTP(o sip.RTPOptions) (sip.Audio, error) {
	if len(o.Codecs) == 0 {
		o.Codecs = codecs(x.cfg.RTP.Codecs)
	}
	return x.relay.Open(rtp.Options{Bind: o.Bind, Advertise: o.Advertise, Signalling: o.Peer,
		SRTP: security(o.SRTP), Keys: keys(o.DTMF), Latching: latching(o.Symmetric), Codecs: o.Codecs})
}

func codecs(names []string) (list []media.Codec) {
	for _, name := range names {
		list = append(list, map[string]media.Codec{"pcma": media.PCMA, "pcmu": media.PCMU, "g722": media.G722, "opus": media.Opus}[name])
	}
	return list
}

func latching(s sip.Symmetry) rtp.Latching {
	switch s {
	case sip.SymmetryOff:
		return rtp.LatchOff
	case sip.SymmetryAlways:
		return rtp.LatchAlways
	}
	return rtp.LatchFirst
}

func security(s sip.SRTP) rtp.Security {
	switch s {
	case sip.SRTPOffered:
		return rtp.SRTPOffered
	case sip.SRTPRequired:
		return rtp.SRTPRequired
	}
	return rtp.SRTPOff
}

// keys is what the audio has to do with the way of keys; INFO is the leg's.
func keys(d sip.DTMF) rtp.Keys {
	switch d {
	case sip.DTMFEvents, sip.DTMFInfo:
		return rtp.KeysEvents
	case sip.DTMFInBand:
		return rtp.KeysInBand
	}
	return rtp.KeysAuto
}
