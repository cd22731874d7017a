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
	rhel/openvswitch-accel.rpmlintrc \
	rhel/openvswitch-accel.spec.in \
	tests/run-rpm

# RPMs, in _rpm, with the Open vSwitch in RPM_OVS_TARBALL.  Its build is kept
# for the next time in the user's cache.
RPM_OVS_TARBALL = /usr/src/openvswitch/openvswitch.tar.gz
RPMBUILD_OPT = --nodeps
rpm_ovs_version = `tar -xzOf '$(RPM_OVS_TARBALL)' --wildcards '*/configure.ac' | sed -n 's/^AC_INIT(openvswitch, \([0-9.]*\),.*/\1/p'`
rpm: dist
	rm -rf _rpm
	$(MKDIR_P) _rpm/SOURCES
	cp $(distdir).tar.gz _rpm/SOURCES
	version=$(rpm_ovs_version) && test -n "$$version" && \
	cp '$(RPM_OVS_TARBALL)' "_rpm/SOURCES/openvswitch-$$version.tar.gz" && \
	sed -e 's/@VERSION[@]/$(PACKAGE_VERSION)/' -e "s/@OVS_VERSION[@]/$$version/" \
	    $(srcdir)/rhel/openvswitch-accel.spec.in >_rpm/openvswitch-accel.spec
	rpmbuild $(RPMBUILD_OPT) -D '_topdir $(abs_top_builddir)/_rpm' \
	    -D "ovs_dir $${XDG_CACHE_HOME:-$$HOME/.cache}/ovs-accel/rpm" \
	    -ba _rpm/openvswitch-accel.spec
	@ls _rpm/RPMS/*/*.rpm _rpm/SRPMS/*.rpm
.PHONY: rpm

# That rpmlint finds no errors, and what is in the RPMs.
check-rpm: rpm
	rpmlint -r $(srcdir)/rhel/openvswitch-accel.rpmlintrc _rpm/RPMS/*/*.rpm _rpm/SRPMS/*.rpm
	$(srcdir)/tests/run-rpm _rpm
.PHONY: check-rpm

clean-rpm:
	rm -rf _rpm
clean-local: clean-rpm
.PHONY: clean-rpm
