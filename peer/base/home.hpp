#pragma once

#include <string>

#include "protocol/result.hpp"

namespace peer::base {

/// Where state lives: the XDG base directories, or all of it under one folder (PEER_HOME, --home).
/// Folders are made on demand, mode 0700. All absolute.
struct Home {
  std::string config_file;    ///< config.toml
  std::string identity_file;  ///< identity.pem
  std::string database_file;  ///< peer.db
  std::string offers;         ///< folder: one folder per offer (manifest, catalogue, journal)
  std::string spool;          ///< folder: stdin spooled for an offer
  std::string log_file;
  std::string socket;        ///< of the node
  std::string lock;          ///< held by the node, holds its pid
  std::string data_folder;   ///< holds identity and database
  std::string state_folder;  ///< holds offers, spool, log

  /// `given` is --home, or empty: then $PEER_HOME, then the XDG base directories. Makes every
  /// folder that is missing. Errors when a folder cannot be made, belongs to another user (also
  /// through a link), or is one that everybody writes in, as /tmp. A home of ours that others may
  /// write in loses that permission.
  static Result<Home> locate(const std::string& given);

  /// Whether this is a copy of a standard input that `peer offer -` made. Such a file is ours to
  /// remove.
  bool is_spooled(const std::string& path) const;
};

/// XDG_DOWNLOAD_DIR (environment, then user-dirs.dirs), else ~/Downloads.
std::string downloads_folder();
/// Why files may not land in `folder`: it is `/` or the user's home itself; empty if they may.
std::string downloads_error(const std::string& folder);
/// A folder as the settings name it, absolute or from ~/ on, made absolute; empty if it is neither,
/// or files may not land there.
std::string landing_folder(const std::string& written);
/// $HOME, or the password database's.
std::string user_home();
/// `path` from the current folder on, without `.`, `..` and doubled or final slashes; links are not
/// looked at. An empty path stays empty.
std::string absolute_path(const std::string& path);

}  // namespace peer::base
