# Copyright (c) 2026 The OVS-Accel Authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

EXTRA_DIST += \
	debian/changelog \
	debian/control \
	debian/copyright \
	debian/openvswitch-accel-doc.doc-base \
	debian/openvswitch-accel-doc.docs \
	debian/openvswitch-switch-accel.README.Debian \
	debian/openvswitch-switch-accel.docs \
	debian/openvswitch-switch-accel.postinst \
	debian/openvswitch-switch-accel.prerm \
	debian/rules \
	debian/source/format \
	debian/tests/control \
	debian/tests/sandbox \
	debian/tests/select \
	tests/run-package

# Debian packages, in _deb.  They are made from the distribution, so that
# nothing else gets in, and with a build of Open vSwitch that is kept for the
# next time in the user's cache.
deb_build = OVS_DIR="$${XDG_CACHE_HOME:-$$HOME/.cache}/ovs-accel/deb" \
	dpkg-buildpackage -us -uc
deb: dist
	rm -rf _deb
	$(MKDIR_P) _deb
	tar -C _deb -xzf $(distdir).tar.gz
	cd _deb/$(distdir) && $(deb_build)
	@ls _deb/*.deb
.PHONY: deb

# The packages do not depend on where they are built, lintian has nothing to say,
# and that of the daemon installs, serves, upgrades and goes as it should.
package_deb = openvswitch-switch-accel_$(PACKAGE_VERSION)_`dpkg --print-architecture`.deb
check-package: deb
	rm -rf _deb/again
	$(MKDIR_P) _deb/again
	mv _deb/*.deb _deb/again
	mv _deb/$(distdir) _deb/elsewhere
	cd _deb/elsewhere && $(deb_build) -b
	for deb in _deb/*.deb; do cmp $$deb _deb/again/$${deb##*/} || exit 1; done
	lintian --fail-on error,warning _deb/*.changes
	$(srcdir)/tests/run-package _deb/$(package_deb)
.PHONY: check-package

clean-deb:
	rm -rf _deb
clean-local: clean-deb
.PHONY: clean-deb
