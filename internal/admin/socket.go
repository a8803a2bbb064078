package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	socketFile = "admin.sock"
	// pointerFile says where the socket is, if its name in the data folder would be too long.
	pointerFile = "admin.path"
	// maxSocket is the longest name of a socket: sun_path has 108 bytes on Linux and 104
	// elsewhere, with the zero at the end.
	maxSocket = 103
)

// Why there is no speaking to a server.
var (
	ErrNotRunning = errors.New("admin: no server is running on this data folder")
	ErrForeign    = errors.New("admin: the socket belongs to someone else")
	ErrTaken      = errors.New("admin: another server answers on the socket")
)

// places are where sockets lie when the data folder's name is too long: the first of them that
// is set and short enough.
type places []string

func systemPlaces() places { return places{os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"} }

// socketName is the name of a data folder's socket, and whether it lies elsewhere than in it.
func socketName(dir string, p places) (name string, elsewhere bool, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return "", false, fmt.Errorf("admin: find the data folder: %w", err)
	}
	if name = filepath.Join(dir, socketFile); len(name) <= maxSocket {
		return name, false, nil
	}
	hash := sha256.Sum256([]byte(dir))
	for _, base := range p {
		name = filepath.Join(base, "parley-"+strconv.Itoa(os.Geteuid()), hex.EncodeToString(hash[:8])+".sock")
		if base != "" && len(name) <= maxSocket {
			return name, true, nil
		}
	}
	return "", false, fmt.Errorf("admin: no folder for the socket has a name that is short enough (%d bytes)", maxSocket)
}

// listen makes the socket of a data folder that this process holds.
func listen(ctx context.Context, dir string, p places) (net.Listener, error) {
	name, elsewhere, err := socketName(dir, p)
	if err != nil {
		return nil, err
	}
	if elsewhere {
		if err := privateFolder(filepath.Dir(name)); err != nil {
			return nil, err
		}
	}
	if err := clearAway(ctx, name); err != nil {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", name)
	if err != nil {
		return nil, fmt.Errorf("admin: listen: %w", err)
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin: close the socket to others: %w", err), l.Close())
	}
	if err := point(filepath.Join(dir, pointerFile), name, elsewhere); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// point writes where the socket is, or takes such a note away.
func point(file, name string, elsewhere bool) error {
	var err error
	if elsewhere {
		err = os.WriteFile(file, []byte(name+"\n"), 0o600)
	} else if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("admin: note where the socket is: %w", err)
	}
	return nil
}

// privateFolder makes a folder under one that others can write to, or sees that the one
// which is there is a folder of ours that nobody else gets into.
func privateFolder(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("admin: make a folder for the socket: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("admin: look at the socket's folder: %w", err)
	}
	if uid, ok := owner(info); !info.IsDir() || !ok || uid != os.Geteuid() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: %s has to be a folder of this user alone", ErrForeign, dir)
	}
	return nil
}

func owner(info fs.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// clearAway removes the socket that a server left behind when it was killed, and nothing else.
func clearAway(ctx context.Context, name string) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("admin: look at the old socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%w: %s is not a socket; move it away", ErrForeign, name)
	}
	if uid, ok := owner(info); !ok || (uid != os.Geteuid() && os.Geteuid() != 0) {
		return fmt.Errorf("%w: %s", ErrForeign, name)
	}
	if c, err := dialSocket(ctx, name); err == nil {
		return errors.Join(fmt.Errorf("%w: %s", ErrTaken, name), c.Close())
	}
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("admin: remove the old socket: %w", err)
	}
	return nil
}

func dialSocket(ctx context.Context, name string) (*net.UnixConn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// find gives the name of the socket of a data folder; ErrNotRunning if there can be none.
func find(dir string) (string, error) {
	name, err := filepath.Abs(filepath.Join(dir, socketFile))
	if err != nil {
		return "", fmt.Errorf("admin: find the data folder: %w", err)
	}
	if len(name) <= maxSocket {
		return name, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, pointerFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", ErrNotRunning
	case err != nil:
		return "", fmt.Errorf("admin: find the socket: %w", err)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

// dial connects to the server of a data folder, and sees that the one who answers is the
// folder's owner or root: it will be told passwords.
func dial(ctx context.Context, dir string) (net.Conn, error) {
	name, err := find(dir)
	if err != nil {
		return nil, err
	}
	c, err := dialSocket(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, ErrNotRunning
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: only the user that runs the server, and root, may speak to it", ErrForeign)
	case err != nil:
		return nil, fmt.Errorf("admin: connect: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("admin: look at the data folder: %w", err), c.Close())
	}
	uid, _ := owner(info)
	if peer, ok := peerUID(c); !welcome(peer, ok, uid) {
		return nil, errors.Join(fmt.Errorf("%w: who answers is not the owner of the data folder", ErrForeign), c.Close())
	}
	return c, nil
}
